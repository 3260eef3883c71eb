package bearerguard

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/bearerguard/bearerguard/internal/safepath"
)

// ServeFile answers the request with the named file, opened as by [Dir.Open].
//
// It answers GET and HEAD, conditional and range requests included ([http.ServeContent]), with an ETag made of size
// and modification time, X-Content-Type-Options: nosniff, a Content-Type from a table in this package, and the name in
// Content-Disposition. Only plain text, images, sound and video are for the browser to show. Everything else, known
// active content (HTML, SVG, XML, PDF) as well as unknown content, is an attachment with Content-Security-Policy:
// sandbox, and scripts and style sheets are application/octet-stream, which no page can load as a script. Caching is
// left to the caller, who sets Cache-Control before.
//
// Another method is 405. Every refusal is the same 404: a bad name, an absent file, a link, a directory, a missing
// permission. Trouble of the server is 500, or 503 if it may pass (no descriptors, Dir closed). These answers are
// application/problem+json with Cache-Control: no-store, and repeat nothing of the request.
func (d *Dir) ServeFile(w http.ResponseWriter, r *http.Request, name string) {
	d.serve(w, r, name, CheckPath(name))
}

// Handler serves the files named by the values of the given wildcards of the route's pattern, joined with a slash:
//
//	mux.Handle("GET /t/{tenant}/files/{path...}", dir.Handler("tenant", "path"))
//
// It does what [Dir.ServeFile] does. A wildcard that the pattern does not have, or that is empty, is a 404, and so is
// a percent-encoded slash anywhere in the path of the request: it would move the border between two wildcards. Handler
// panics if there are no wildcards or one of them is not a plain name.
func (d *Dir) Handler(wildcards ...string) http.Handler {
	if len(wildcards) == 0 || slices.ContainsFunc(wildcards, func(s string) bool {
		return s == "" || strings.ContainsAny(s, "{}./$")
	}) {
		_, file, line, _ := runtime.Caller(1)
		panic(fmt.Sprintf("bearerguard: %s:%d: Dir.Handler wants names of wildcards, got %q", file, line, wildcards))
	}
	wildcards = slices.Clone(wildcards)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values := make([]string, len(wildcards))
		for i, wildcard := range wildcards {
			values[i] = r.PathValue(wildcard)
		}
		name := strings.Join(values, "/")
		err := CheckPath(name)
		// A missing value is an empty element. ServeMux matches the escaped path: a%2Fb is one segment to it and
		// would be two here. RawPath is set whenever there is such an escape.
		if strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
			err = nameError(safepath.Reserved)
		}
		d.serve(w, r, name, err)
	})
}

func (d *Dir) serve(w http.ResponseWriter, r *http.Request, name string, err error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD") // RFC 9110, Section 15.5.6
		writeFileProblem(w, r, http.StatusMethodNotAllowed)
		return
	}
	if err != nil {
		d.refuse(w, r, name, err)
		return
	}
	file, info, err := d.tree.Open(name)
	if err != nil {
		d.refuse(w, r, name, err)
		return
	}
	defer file.Close()
	setFileHeader(w.Header(), name[strings.LastIndexByte(name, '/')+1:], info)
	http.ServeContent(w, r, "", info.ModTime(), file)
}

func (d *Dir) refuse(w http.ResponseWriter, r *http.Request, name string, err error) {
	if d.onRefuse != nil {
		func() {
			defer func() { _ = recover() }() // a broken hook must not change the answer
			d.onRefuse(r, name, err)
		}()
	}
	writeFileProblem(w, r, openStatus(err))
}

// writeFileProblem writes the answer of RFC 9457, Section 4.2.1: about:blank, and the phrase of the status as title.
func writeFileProblem(w http.ResponseWriter, r *http.Request, status int) {
	body := fmt.Sprintf(`{"title":%q,"status":%d}`, http.StatusText(status), status)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Content-Type", "application/problem+json")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body) // the client is gone
	}
}

// setFileHeader sets what ServeContent would otherwise guess, or leave out.
func setFileHeader(header http.Header, base string, info fs.FileInfo) {
	contentType, shown := fileType(base)
	disposition := "inline"
	if !shown {
		disposition = "attachment"
		header.Add("Content-Security-Policy", "sandbox") // beside a policy that is set already: both are enforced
	}
	header.Set("Content-Disposition", contentDisposition(disposition, base))
	header.Set("Content-Type", contentType)
	header.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	header.Set("X-Content-Type-Options", "nosniff")
}

package bearerguard

import (
	"fmt"
	"path"
	"strings"
)

// fileType returns the media type of a file by its extension, and whether a browser may show it in place. The table is
// code because the one of the machine (mime.TypeByExtension) differs from host to host and can be edited.
//
// Content that can run in our origin is never shown. Scripts, style sheets and WebAssembly are missing on purpose: an
// attachment can still be loaded by a page that names it, but with nosniff not as application/octet-stream.
func fileType(base string) (contentType string, shown bool) {
	switch strings.ToLower(path.Ext(base)) {
	case ".txt", ".text", ".log":
		return "text/plain; charset=utf-8", true
	case ".csv":
		return "text/csv; charset=utf-8", true
	case ".md":
		return "text/markdown; charset=utf-8", true
	case ".json":
		return "application/json", true
	case ".avif":
		return "image/avif", true
	case ".gif":
		return "image/gif", true
	case ".jpg", ".jpeg":
		return "image/jpeg", true
	case ".png":
		return "image/png", true
	case ".webp":
		return "image/webp", true
	case ".mp3":
		return "audio/mpeg", true
	case ".m4a":
		return "audio/mp4", true
	case ".ogg":
		return "audio/ogg", true
	case ".wav":
		return "audio/wav", true
	case ".mp4":
		return "video/mp4", true
	case ".webm":
		return "video/webm", true
	case ".htm", ".html":
		return "text/html; charset=utf-8", false
	case ".xhtml":
		return "application/xhtml+xml", false
	case ".xml":
		return "application/xml", false
	case ".svg":
		return "image/svg+xml", false
	case ".pdf":
		return "application/pdf", false
	case ".docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document", false
	case ".pptx":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation", false
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false
	case ".gz", ".tgz":
		return "application/gzip", false
	case ".zip":
		return "application/zip", false
	}
	return "application/octet-stream", false
}

// contentDisposition formats the header of RFC 6266, Section 4.1. A name of harmless ASCII stands as it is. Any other
// gets a second, exact form (RFC 8187, Section 3.2.1) behind an approximation: some clients decode a % in the first
// (RFC 6266, Appendix D), and bytes above ASCII have no meaning in a header.
func contentDisposition(disposition, base string) string {
	const upperHex = "0123456789ABCDEF"
	var plain, exact strings.Builder
	same := true
	for _, r := range base {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			r, same = '_', false
		}
		plain.WriteByte(byte(r))
	}
	if same {
		return fmt.Sprintf(`%s; filename="%s"`, disposition, base)
	}
	for i := range len(base) {
		if b := base[i]; isAttrChar(b) {
			exact.WriteByte(b)
		} else {
			exact.WriteByte('%')
			exact.WriteByte(upperHex[b>>4])
			exact.WriteByte(upperHex[b&15])
		}
	}
	return fmt.Sprintf(`%s; filename="%s"; filename*=UTF-8''%s`, disposition, plain.String(), exact.String())
}

// isAttrChar: attr-char of RFC 8187, Section 3.2.1.
func isAttrChar(b byte) bool {
	switch {
	case b >= '0' && b <= '9', b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z':
		return true
	}
	return strings.IndexByte("!#$&+-.^_`|~", b) >= 0
}

package bearerguard

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"syscall"

	"github.com/bearerguard/bearerguard/internal/safepath"
)

// Why [Dir.Open] refuses a name that is well formed; compare with [errors.Is]. A name that is not well formed is a
// [*NameError], and an absent file is [fs.ErrNotExist].
var (
	// ErrLink: the name leads to or through a symbolic link.
	ErrLink = safepath.ErrLink
	// ErrNotRegular: the name leads to something that is not a regular file, or through something that is not a
	// directory.
	ErrNotRegular = safepath.ErrNotRegular
	// ErrReplaced: the entry was another one each time it was looked at again.
	ErrReplaced = safepath.ErrReplaced
)

// NameError says that a file name is refused for how it is written; no file was looked at.
type NameError struct {
	// Reason is one of: "empty", "too long", "too deep", "invalid UTF-8", "control character", "reserved character",
	// "invisible character", "noncharacter", "look-alike character", "dot element", "leading dot", "leading blank",
	// "leading tilde", "trailing dot", "trailing blank", "device name", "short name".
	Reason string
}

func (e *NameError) Error() string {
	return "bearerguard: file name refused: " + e.Reason
}

// CheckName reports whether name, as it stands, is one portable path element: a name that Linux, macOS and Windows
// store, show and open as the same file. A refusal is a [*NameError].
//
// It wants 1 to 255 bytes of valid UTF-8, and refuses
//   - control characters (C0, C1, DEL), noncharacters, U+FFFD, and any of < > : " / \ | ? *
//   - . and .., a leading dot, blank or ~, a trailing dot or blank
//   - bidirectional controls and other invisible characters; joiners pass inside words and emoji
//   - characters that other software folds to a dot or a separator
//   - Windows device names (CON, nul.txt, COM¹) and generated short names (PROGRA~1)
//
// Everything else passes, in every script. Nothing is decoded, normalised or repaired: %2e is three characters, and
// the composed and decomposed forms of é are two names.
func CheckName(name string) error {
	return nameError(safepath.Element(name))
}

// CheckPath is [CheckName] for each element of a slash-separated relative name of at most 4096 bytes and 64 elements.
// Empty elements, and with them leading, doubled and trailing slashes, are refused.
func CheckPath(name string) error {
	return nameError(safepath.Path(name))
}

func nameError(reason safepath.Reason) error {
	if reason == "" {
		return nil
	}
	return &NameError{Reason: string(reason)}
}

// DirConfig configures a [Dir]. The zero value is ready to use.
type DirConfig struct {
	_ [0]func() // no unkeyed literals, no comparison: fields may be added

	// OnRefuse, if not nil, is told why [Dir.ServeFile] and [Dir.Handler] answer 404, 500 or 503, before they do. The
	// client is never told. The name is what the caller sent: quote it in a log. OnRefuse runs on the goroutine of
	// the request, may run concurrently with itself, and its panics are contained.
	OnRefuse func(r *http.Request, name string, err error)
}

// Dir opens and serves the regular files of one directory tree under names chosen by untrusted callers.
//
// It judges a name with [CheckPath], and then walks down from the directory that OpenDir opened, element by element:
// an element on the way must be a directory, the last one a regular file, and what was opened must be what was looked
// at. No link is followed, not even one that stays inside, and no file is opened that could block or act (a device,
// a FIFO, a socket). A name never becomes a path: renaming or moving the directory changes nothing.
//
// A Dir is safe for concurrent use by multiple goroutines, also while others change the tree. It holds one file
// descriptor, and one or two more during a walk.
//
// It does not stop what is not in the name: hard links and bind mounts to files outside, or a case-insensitive file
// system that opens readme for README (base no decision on the spelling of a name). On Windows and on the platforms
// that [os.Root] lists as weaker, it is as strong as os.Root. It does not limit how much is read.
//
// The zero Dir is closed.
type Dir struct {
	tree     *safepath.Tree
	onRefuse func(r *http.Request, name string, err error)
}

// OpenDir opens the directory at path, which is trusted: links in it are followed, once, now.
func OpenDir(path string, cfg DirConfig) (*Dir, error) {
	tree, err := safepath.NewTree(path)
	if err != nil {
		return nil, fmt.Errorf("bearerguard: OpenDir: %w", err)
	}
	return &Dir{tree: tree, onRefuse: cfg.OnRefuse}, nil
}

// Close closes the directory. Files that are open stay open; later calls of other methods are refused with
// [fs.ErrClosed]. Close may be called more than once.
func (d *Dir) Close() error {
	return d.tree.Close()
}

// Open opens the regular file with the given slash-separated name for reading.
//
// The error is a [*NameError], or a [*fs.PathError] that wraps [ErrLink], [ErrNotRegular], [ErrReplaced] or an error of
// the system. To answer a caller, treat all of them alike, as [Dir.ServeFile] does: the difference tells what exists.
func (d *Dir) Open(name string) (*os.File, error) {
	if err := CheckPath(name); err != nil {
		return nil, err
	}
	file, _, err := d.tree.Open(name)
	return file, err
}

// openStatus tells a refusal (404) from trouble of our own. An error nobody thought of is ours: a wrong 404 would be
// believed.
func openStatus(err error) int {
	var bad *NameError
	if errors.As(err, &bad) {
		return http.StatusNotFound
	}
	for _, refusal := range []error{
		fs.ErrNotExist, fs.ErrPermission, ErrLink, ErrNotRegular, ErrReplaced,
		syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG,
		syscall.EINVAL, syscall.EILSEQ, // a file system that cannot hold such a name
		syscall.ENXIO, syscall.ENODEV, syscall.EOPNOTSUPP, // a device or socket put in place after the look
	} {
		if errors.Is(err, refusal) {
			return http.StatusNotFound
		}
	}
	for _, shortage := range []error{fs.ErrClosed, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, shortage) {
			return http.StatusServiceUnavailable
		}
	}
	return http.StatusInternalServerError
}

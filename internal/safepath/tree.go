package safepath

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

var (
	ErrLink       = errors.New("bearerguard: symbolic link")
	ErrNotRegular = errors.New("bearerguard: not a regular file in a plain directory")
	ErrReplaced   = errors.New("bearerguard: replaced while it was being opened")
)

// maxAttempts bounds how often an entry that was replaced between two looks is looked at again. An honest writer
// that renames a new file into place is met at most once or twice.
const maxAttempts = 8

// Tree opens regular files below a directory. It follows no links, not even those that stay inside.
type Tree struct {
	root    *os.Root
	escapes error // what os.Root returns for a link that leaves the root; package os does not export it
}

// NewTree opens the directory at path, following links in path itself.
func NewTree(path string) (*Tree, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	_, err = root.Lstat("..")
	return &Tree{root: root, escapes: cause(err)}, nil
}

// Close is idempotent. It does not disturb files that are open already.
func (t *Tree) Close() error {
	if t == nil {
		return nil
	}
	return t.root.Close()
}

// Open opens the regular file with the given name, which must have passed Path. Every error is a *fs.PathError.
func (t *Tree) Open(name string) (*os.File, fs.FileInfo, error) {
	if t == nil {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrClosed}
	}
	file, info, err := t.walk(name)
	if err != nil {
		return nil, nil, t.explain(name, err)
	}
	return file, info, nil
}

func (t *Tree) explain(name string, err error) error {
	if errors.Is(err, t.escapes) { // a link was put in place after the look at the entry
		err = ErrLink
	}
	return &fs.PathError{Op: "open", Path: name, Err: cause(err)}
}

// walk goes down one directory at a time, so that a name of any depth holds one descriptor (two while it steps).
func (t *Tree) walk(name string) (*os.File, fs.FileInfo, error) {
	here := t.root
	for {
		element, rest, more := strings.Cut(name, "/")
		if !more {
			file, info, err := openFile(here, element)
			t.leave(here)
			return file, info, err
		}
		next, err := openDirectory(here, element)
		t.leave(here)
		if err != nil {
			return nil, nil, err
		}
		here, name = next, rest
	}
}

func (t *Tree) leave(directory *os.Root) {
	if directory != t.root {
		_ = directory.Close() // opened for reading: nothing is lost
	}
}

// directory is the part of os.Root that opening needs.
type directory interface {
	Lstat(name string) (fs.FileInfo, error)
	OpenFile(name string, flag int, perm os.FileMode) (*os.File, error)
	OpenRoot(name string) (*os.Root, error)
}

// openFile looks before it opens, because opening alone can have effects (a device, a FIFO), and after, because the
// entry may be another one by then: os.Root would follow a link that stays inside, and the number of a removed file may
// be that of a FIFO already.
func openFile(parent directory, element string) (*os.File, fs.FileInfo, error) {
	for range maxAttempts {
		before, err := look(parent, element, 0)
		if err != nil {
			return nil, nil, err
		}
		file, err := parent.OpenFile(element, os.O_RDONLY|nonBlock, 0)
		if err != nil {
			return nil, nil, err
		}
		after, err := file.Stat()
		if err == nil && after.Mode().IsRegular() && os.SameFile(before, after) {
			return file, after, nil
		}
		_ = file.Close() // opened for reading: nothing is lost
		if err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, ErrReplaced
}

// openDirectory does the same for an element on the way.
func openDirectory(parent directory, element string) (*os.Root, error) {
	for range maxAttempts {
		before, err := look(parent, element, fs.ModeDir)
		if err != nil {
			return nil, err
		}
		// OpenRoot asks for a directory (O_DIRECTORY) only on the way to the last element; for that one it would wait
		// for the writer of a FIFO. With "/." the element is on the way.
		next, err := parent.OpenRoot(element + "/.")
		if err != nil {
			return nil, err
		}
		after, err := next.Stat(".")
		if err == nil && os.SameFile(before, after) {
			return next, nil
		}
		_ = next.Close() // opened for reading: nothing is lost
		if err != nil {
			return nil, err
		}
	}
	return nil, ErrReplaced
}

// look wants exactly the given type: a Windows junction is a directory with one more bit.
func look(parent directory, element string, want fs.FileMode) (fs.FileInfo, error) {
	info, err := parent.Lstat(element)
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, ErrLink
	case info.Mode().Type() != want:
		return nil, ErrNotRegular
	}
	return info, nil
}

// cause drops the inner operation and path, which are details of the walk.
func cause(err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

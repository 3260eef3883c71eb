package bearerguard

import (
	"errors"
	"io/fs"
	"net/http"
	"syscall"
	"testing"
)

// Disks do not fail on demand.
func TestOpenStatus(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{&NameError{Reason: "empty"}, http.StatusNotFound},
		{ErrLink, http.StatusNotFound},
		{ErrNotRegular, http.StatusNotFound},
		{ErrReplaced, http.StatusNotFound},
		{syscall.ENOENT, http.StatusNotFound},
		{syscall.EACCES, http.StatusNotFound},
		{syscall.EPERM, http.StatusNotFound},
		{syscall.ENOTDIR, http.StatusNotFound},
		{syscall.ELOOP, http.StatusNotFound},
		{syscall.ENAMETOOLONG, http.StatusNotFound},
		{syscall.EINVAL, http.StatusNotFound},
		{syscall.EILSEQ, http.StatusNotFound},
		{syscall.ENXIO, http.StatusNotFound},
		{syscall.ENODEV, http.StatusNotFound},
		{syscall.EOPNOTSUPP, http.StatusNotFound},
		{syscall.EMFILE, http.StatusServiceUnavailable},
		{syscall.ENFILE, http.StatusServiceUnavailable},
		{syscall.ENOMEM, http.StatusServiceUnavailable},
		{fs.ErrClosed, http.StatusServiceUnavailable},
		{syscall.EIO, http.StatusInternalServerError},
		{errors.New("unheard of"), http.StatusInternalServerError},
	} {
		err := tc.err
		if _, ok := err.(*NameError); !ok {
			err = &fs.PathError{Op: "open", Path: "x", Err: err}
		}
		if got := openStatus(err); got != tc.want {
			t.Errorf("openStatus(%v) = %d, want %d", err, got, tc.want)
		}
	}
}

// CheckPath keeps such names away; the header must be whole without it.
func TestContentDispositionCannotBeInjected(t *testing.T) {
	const want = `attachment; filename="a__; x=___"; filename*=UTF-8''a%22%5C%3B%20x%3D%0D%C3%A9%25`
	if got := contentDisposition("attachment", "a\"\\; x=\ré%"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

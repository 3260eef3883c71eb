package bearerguard_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard"
)

// OW-10 for a missing permission, also when the tests run as root: one thread gives up the right to read everything.
func TestUnreadableIsAbsent(t *testing.T) {
	dir, root := newFileDir(t, bearerguard.DirConfig{})
	writeTestFile(t, filepath.Join(root, "unreadable.txt"), fileSecret)
	require.NoError(t, os.Chmod(filepath.Join(root, "unreadable.txt"), 0))
	writeTestFile(t, filepath.Join(root, "locked", "x.txt"), fileSecret)
	require.NoError(t, os.Chmod(filepath.Join(root, "locked"), 0))
	answers := make(chan *httptest.ResponseRecorder)
	go func() {
		defer close(answers)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		const nobody = 65534
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // fails where it is not needed
		for _, name := range []string{"none.txt", "unreadable.txt", "locked/x.txt", "locked/none"} {
			recorder := httptest.NewRecorder()
			dir.ServeFile(recorder, httptest.NewRequest("GET", "/", nil), name)
			answers <- recorder
		}
	}()
	absent := <-answers
	require.Equal(t, 404, absent.Code)
	for answer := range answers {
		require.Equal(t, absent, answer)
	}
}

func TestServingLeaksNoDescriptors(t *testing.T) {
	dir, _ := newFileDir(t, bearerguard.DirConfig{})
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	before := count()
	for range 50 {
		for _, name := range []string{"sub/ok.txt", "sub/none", "inlink"} {
			dir.ServeFile(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), name)
		}
	}
	require.InDelta(t, before, count(), 10) // other tests leave connections that close meanwhile
}

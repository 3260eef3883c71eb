//go:build unix

package safepath

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Recipe P-51 with P-48: an entry that becomes a FIFO after it was looked at must not park the caller.
func TestSwapForAFIFO(t *testing.T) {
	base := t.TempDir()
	path := filepath.Join(base, "entry")
	root := swapping{openRoot(t, base), func() {
		_ = os.Remove(path)
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Error(err)
		}
	}}
	within := func(t *testing.T, open func() error) {
		t.Helper()
		defer os.RemoveAll(path)
		done := make(chan error, 1)
		go func() { done <- open() }()
		select {
		case err := <-done:
			require.Error(t, err)
		case <-time.After(2 * time.Second):
			t.Error("parked on a FIFO")
			writer, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0) // lets it go
			require.NoError(t, err)
			<-done
			require.NoError(t, writer.Close())
		}
	}
	t.Run("P-51 file", func(t *testing.T) {
		writeFile(t, path, "x")
		within(t, func() error {
			_, _, err := openFile(root, "entry")
			return err
		})
	})
	t.Run("P-51 directory", func(t *testing.T) {
		require.NoError(t, os.Mkdir(path, 0o755))
		within(t, func() error {
			_, err := openDirectory(root, "entry")
			return err
		})
	})
}

//go:build unix

package bearerguard_test

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard"
)

// makeSpecialFiles adds what must not be opened. A test that does open the FIFO hangs.
func makeSpecialFiles(t *testing.T, root string) []closedName {
	t.Helper()
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644))
	special := []closedName{
		{"P-51 FIFO", "fifo", bearerguard.ErrNotRegular},
		{"P-51 FIFO as directory", "fifo/x", bearerguard.ErrNotRegular},
	}
	t.Chdir(root) // the address of a socket is short
	if listener, err := net.Listen("unix", "socket"); err == nil {
		t.Cleanup(func() { listener.Close() })
		special = append(special, closedName{"P-51 socket", "socket", bearerguard.ErrNotRegular})
	}
	if syscall.Mknod(filepath.Join(root, "null"), syscall.S_IFCHR|0o666, 1<<8|3) == nil { // only for root
		special = append(special, closedName{"P-51 device", "null", bearerguard.ErrNotRegular})
	}
	return special
}

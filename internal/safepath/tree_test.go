package safepath

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// swapping changes the directory between the look at an entry and its opening, which no outside test can time.
type swapping struct {
	*os.Root
	swap func() // before every open
}

func (s swapping) OpenFile(name string, flag int, perm os.FileMode) (*os.File, error) {
	s.swap()
	return s.Root.OpenFile(name, flag, perm)
}

func (s swapping) OpenRoot(name string) (*os.Root, error) {
	s.swap()
	return s.Root.OpenRoot(name)
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func openRoot(t *testing.T, path string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(path)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

// Recipe P-48: the entry becomes a link after it was looked at. os.Root itself would follow this one.
func TestSwapForALinkInside(t *testing.T) {
	base := t.TempDir()
	swap := func() {
		require.NoError(t, os.RemoveAll(filepath.Join(base, "public")))
		if err := os.Symlink("private", filepath.Join(base, "public")); err != nil {
			t.Skip(err)
		}
	}
	t.Run("P-48 file", func(t *testing.T) {
		writeFile(t, filepath.Join(base, "private"), "private")
		writeFile(t, filepath.Join(base, "public"), "public")
		_, _, err := openFile(swapping{openRoot(t, base), swap}, "public")
		require.ErrorIs(t, err, ErrLink)
	})
	require.NoError(t, os.RemoveAll(filepath.Join(base, "public")))
	require.NoError(t, os.RemoveAll(filepath.Join(base, "private")))
	t.Run("P-48 directory", func(t *testing.T) {
		writeFile(t, filepath.Join(base, "private", "x"), "private")
		writeFile(t, filepath.Join(base, "public", "x"), "public")
		_, err := openDirectory(swapping{openRoot(t, base), swap}, "public")
		require.ErrorIs(t, err, ErrLink)
	})
}

// A link out of the root that comes and goes is refused by os.Root, with an error that the walk must recognise.
func TestSwapForALinkOutside(t *testing.T) {
	base := t.TempDir()
	tree, err := NewTree(base)
	require.NoError(t, err)
	defer tree.Close()
	if err := os.Symlink("..", filepath.Join(base, "up")); err != nil {
		t.Skip(err)
	}
	_, err = tree.root.OpenRoot("up/.")
	require.ErrorIs(t, tree.explain("up", err), ErrLink)
	_, err = tree.root.Open("up")
	require.ErrorIs(t, tree.explain("up", err), ErrLink)
}

func TestHonestReplacementIsOpened(t *testing.T) {
	base := t.TempDir()
	writeFile(t, filepath.Join(base, "report"), "old")
	writeFile(t, filepath.Join(base, "new"), "new")
	swap := func() { _ = os.Rename(filepath.Join(base, "new"), filepath.Join(base, "report")) } // the second one fails
	file, _, err := openFile(swapping{openRoot(t, base), swap}, "report")
	require.NoError(t, err)
	defer file.Close()
	content := make([]byte, 3)
	_, err = file.Read(content)
	require.NoError(t, err)
	require.Equal(t, "new", string(content))
}

// neverTheSame replaces the entries "report" and "dir" before every open.
func neverTheSame(t *testing.T, base string) swapping {
	t.Helper()
	writeFile(t, filepath.Join(base, "report"), "0")
	writeFile(t, filepath.Join(base, "dir", "x"), "0")
	old := 0
	return swapping{openRoot(t, base), func() {
		// Moved away and kept, so that the file system cannot use their numbers again.
		old++
		away := filepath.Join(base, "old", strconv.Itoa(old))
		require.NoError(t, os.MkdirAll(away, 0o755))
		require.NoError(t, os.Rename(filepath.Join(base, "report"), filepath.Join(away, "report")))
		require.NoError(t, os.Rename(filepath.Join(base, "dir"), filepath.Join(away, "dir")))
		writeFile(t, filepath.Join(base, "report"), "1")
		writeFile(t, filepath.Join(base, "dir", "x"), "1")
	}}
}

func TestEndlessReplacementIsRefused(t *testing.T) {
	root := neverTheSame(t, t.TempDir())
	_, _, err := openFile(root, "report")
	require.ErrorIs(t, err, ErrReplaced)
	_, err = openDirectory(root, "dir")
	require.ErrorIs(t, err, ErrReplaced)
}

// The walk must give back every descriptor, on every way out.
func TestDescriptorsAreClosed(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(entries)
	}
	base := t.TempDir()
	writeFile(t, filepath.Join(base, "a", "b", "c"), "x")
	tree, err := NewTree(base)
	require.NoError(t, err)
	defer tree.Close()
	replaced := neverTheSame(t, base)
	before := count()
	for range 5 {
		for _, name := range []string{"a/b/c", "a/b", "a/b/none", "a/b/c/d", "none/x"} {
			if file, _, err := tree.Open(name); err == nil {
				require.NoError(t, file.Close())
			}
		}
		_, _, err = openFile(replaced, "report")
		require.ErrorIs(t, err, ErrReplaced)
		_, err = openDirectory(replaced, "dir")
		require.ErrorIs(t, err, ErrReplaced)
	}
	require.Equal(t, before, count())
}

func TestErrorsNameTheWholeName(t *testing.T) {
	base := t.TempDir()
	writeFile(t, filepath.Join(base, "a", "b"), "x")
	tree, err := NewTree(base)
	require.NoError(t, err)
	for name, want := range map[string]error{"a/none": fs.ErrNotExist, "a": ErrNotRegular, "a/b/c": ErrNotRegular} {
		_, _, err := tree.Open(name)
		var pathError *fs.PathError
		require.ErrorAs(t, err, &pathError)
		require.Equal(t, fs.PathError{Op: "open", Path: name, Err: pathError.Err}, *pathError)
		require.ErrorIs(t, err, want)
	}
	require.NoError(t, tree.Close())
	require.NoError(t, tree.Close())
	_, _, err = tree.Open("a/b")
	require.ErrorIs(t, err, fs.ErrClosed)
	_, _, err = (*Tree)(nil).Open("a/b")
	require.ErrorIs(t, err, fs.ErrClosed)
}

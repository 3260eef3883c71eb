package bearerguard_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard"
)

const fileSecret = "SECRET outside or hidden"

// badNames are the values of the attack catalogue, section P, that are refused for how they are written.
var badNames = []struct{ recipe, name string }{
	{"P-01 plain", "../secret.txt"},
	{"P-02 depth", "../../../../../../etc/passwd"},
	{"P-12 backslash", `..\secret.txt`},
	{"P-13 mixed separators", `..\/..\/secret.txt`},
	{"P-14 strip once", "....//secret.txt"},
	{"P-15 strip once, backslash", `....\\secret.txt`},
	{"P-15 dots and backslashes", `...\.\secret.txt`},
	{"P-16 strip once, dot", "..././secret.txt"},
	{"P-17 triple dot", ".../.../secret.txt"},
	{"P-18 path parameter", "..;/secret.txt"},
	{"P-19 parameters", "ok.txt;/../../secret.txt"},
	{"P-20 overlong dots", "\xc0\xae\xc0\xae\xc0\xafsecret.txt"},
	{"P-21 malformed sequence", "\xc0\x2e\xc0\x2e\xc0\x2fsecret.txt"},
	{"P-22 three bytes", "\xe0\x80\xae\xe0\x80\xafsecret.txt"},
	{"P-23 four bytes", "\xf0\x80\x80\xaesecret.txt"},
	{"P-26 fullwidth", "．．／secret.txt"},
	{"P-27 two dot leader", "‥/secret.txt"},
	{"P-27 ellipsis", "…/secret.txt"},
	{"P-28 division slash", "a∕secret.txt"},
	{"P-28 fraction slash", "a⁄secret.txt"},
	{"P-28 fullwidth backslash", "a＼secret.txt"},
	{"P-28 set minus", "a∖secret.txt"},
	{"P-29 NUL", "ok.txt\x00.png"},
	{"P-30 NUL between dots", ".\x00./.\x00./etc/passwd"},
	{"P-31 leading NUL", "\x00ok.txt"},
	{"P-32 line feed", "ok.txt\n"},
	{"P-32 header", "ok.txt\r\nX: y"},
	{"P-32 tab", "ok.txt\t"},
	{"P-32 DEL", "ok\x7f.txt"},
	{"P-32 C1", "ok\u0085.txt"},
	{"P-33 absolute", "/etc/passwd"},
	{"P-34 doubled slash", "//etc/passwd"},
	{"P-34 tripled slash", "///etc///passwd"},
	{"P-36 scheme", "file:///etc/passwd"},
	{"P-37 home", "~/x"},
	{"P-37 home of root", "~root/.ssh/id_rsa"},
	{"P-41 link and slash", "link/"},
	{"P-43 inside and out", "sub/../ok.txt"},
	{"P-43 dot", "./ok.txt"},
	{"P-44 escape", "sub/../../secret.txt"},
	{"P-45 absent and up", "none/../../secret.txt"},
	{"P-46 leave and come back", "../files/ok.txt"},
	{"P-47 prefix", "../files-private/x"},
	{"P-50 magic link", "/proc/self/environ"},
	{"P-52 directory", "sub/"},
	{"P-52 nothing", ""},
	{"P-52 dot alone", "."},
	{"P-52 parent alone", ".."},
	{"P-53 drive", `C:\windows\win.ini`},
	{"P-53 drive, slashes", "C:/windows/win.ini"},
	{"P-53 drive-relative", "c:win.ini"},
	{"P-54 root of the drive", `\windows\win.ini`},
	{"P-55 UNC", `\\evil\share\x`},
	{"P-55 UNC, slashes", "//evil/share/x"},
	{"P-56 device namespace", `\\?\C:\x`},
	{"P-56 NT namespace", `\??\C:\x`},
	{"P-57 device", "con"},
	{"P-57 device with a number", "LPT9"},
	{"P-58 extension", "nul.txt"},
	{"P-58 two extensions", "con.tar.gz"},
	{"P-58 trailing dot", "aux."},
	{"P-58 blank", "prn .txt"},
	{"P-59 superscript", "COM¹"},
	{"P-60 console", "CONIN$"},
	{"P-60 clock", "clock$.txt"},
	{"P-61 last element", "sub/NUL"},
	{"P-61 first element", "NUL/x"},
	{"P-62 colon", "COM1:"},
	{"P-63 default stream", "ok.txt::$DATA"},
	{"P-64 other stream", "ok.txt:hidden"},
	{"P-65 directory stream", "sub:$I30:$INDEX_ALLOCATION/ok.txt"},
	{"P-66 trailing dot", "ok.txt."},
	{"P-66 dots and blanks", "ok.txt. . ."},
	{"P-67 blank after dots", ".. /secret.txt"},
	{"P-68 short name", "SECRET~1.TXT"},
	{"P-68 short directory", "PROGRA~1/x"},
	{"P-70 wildcards", "ok.txt<<<"},
	{"P-70 question mark", "o?.txt"},
	{"P-70 asterisk", "*"},
	{"P-71 quotes", `ok.txt"""`},
	{"P-72 dot directory", ".git/config"},
	{"P-72 dot file", ".env"},
	{"P-72 dot directory below", "sub/.ssh/id_rsa"},
	{"P-74 pod token", "/run/secrets/kubernetes.io/serviceaccount/token"},
	{"P-75 long name", strings.Repeat("a", 5000)},
	{"P-75 long element", strings.Repeat("a", 256)},
	{"P-75 many elements", strings.Repeat("a/", 100) + "a"},
	{"P-77 override", "ok\u202etxt.exe"},
	{"P-77 zero width", "\u200b../x"},
	{"P-77 byte order mark", "\ufeffok.txt"},
	{"P-79 file as directory", "ok.txt/"},
	{"P-79 file and up", "ok.txt/.."},
	{"P-85 archive entry", "../../x"},
	{"P-86 upload", `..\..\x`},
	{"P-88 blank", " "},
	{"P-88 leading blank", " ok.txt"},
	{"P-88 trailing blank", "ok.txt "},
	{"OW-04 dots and blanks", ". ."},
	{"OW-07 replacement character", "ok\ufffd.txt"},
}

type closedName struct {
	recipe, name string
	want         error
}

// closedNames are well formed, and lead nowhere that may be opened in the tree of newFileDir.
var closedNames = []closedName{
	{"P-09 escapes are literal", "%2e%2e%2fsecret.txt", fs.ErrNotExist},
	{"P-38 environment", "$HOME/x", fs.ErrNotExist},
	{"P-39 link", "link", bearerguard.ErrLink},
	{"P-40 relative link", "uplink", bearerguard.ErrLink},
	{"P-39 link inside", "inlink", bearerguard.ErrLink},
	{"P-39 chain", "chain", bearerguard.ErrLink},
	{"P-39 loop", "loop", bearerguard.ErrLink},
	{"P-39 dangling", "dangling", bearerguard.ErrLink},
	{"P-42 linked directory", "dirlink/secret.txt", bearerguard.ErrLink},
	{"P-42 linked directory inside", "indirlink/ok.txt", bearerguard.ErrLink},
	{"P-50 procfs by link", "proclink/self/environ", bearerguard.ErrLink},
	{"P-52 directory", "sub", bearerguard.ErrNotRegular},
	{"P-69 absent", "none.txt", fs.ErrNotExist},
	{"P-78 cookieless", "(S(X))/ok.txt", fs.ErrNotExist},
	{"P-79 file as directory", "ok.txt/x", bearerguard.ErrNotRegular},
}

func writeTestFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

// newFileDir builds the setting of the catalogue. Every bad name that the file system takes exists, so that only the
// rule can refuse it.
func newFileDir(t *testing.T, cfg bearerguard.DirConfig) (*bearerguard.Dir, string) {
	t.Helper()
	base := t.TempDir()
	root := filepath.Join(base, "files")
	writeTestFile(t, filepath.Join(root, "ok.txt"), "ok")
	writeTestFile(t, filepath.Join(root, "sub", "ok.txt"), "sub ok")
	writeTestFile(t, filepath.Join(base, "secret.txt"), fileSecret)
	writeTestFile(t, filepath.Join(base, "files-private", "x"), fileSecret)
	for _, link := range []struct{ name, target string }{
		{"link", filepath.Join(base, "secret.txt")}, {"uplink", "../secret.txt"}, {"inlink", "ok.txt"},
		{"chain", "inlink"}, {"loop", "loop"}, {"dangling", "none"},
		{"dirlink", base}, {"indirlink", "sub"}, {"proclink", "/proc"},
	} {
		if err := os.Symlink(link.target, filepath.Join(root, link.name)); err != nil {
			require.Equal(t, "windows", runtime.GOOS, err)
			t.Skip(err) // the account has no right to create links
		}
	}
	for _, tc := range badNames {
		path := filepath.Join(root, filepath.FromSlash(tc.name))
		if filepath.IsLocal(tc.name) && os.MkdirAll(filepath.Dir(path), 0o755) == nil {
			if file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err == nil {
				_, err = file.WriteString(fileSecret)
				require.NoError(t, err)
				require.NoError(t, file.Close())
			}
		}
	}
	dir, err := bearerguard.OpenDir(root, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.Close()) })
	return dir, root
}

func TestBadNamesAreRefused(t *testing.T) {
	dir, _ := newFileDir(t, bearerguard.DirConfig{})
	for _, tc := range badNames {
		t.Run(tc.recipe, func(t *testing.T) {
			var bad *bearerguard.NameError
			require.ErrorAs(t, bearerguard.CheckPath(tc.name), &bad)
			require.NotEmpty(t, bad.Reason)
			require.Error(t, bearerguard.CheckName(tc.name))
			_, err := dir.Open(tc.name)
			require.Equal(t, bad, err)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir, root := newFileDir(t, bearerguard.DirConfig{})
	for _, tc := range slices.Concat(closedNames, makeSpecialFiles(t, root)) {
		t.Run(tc.recipe, func(t *testing.T) {
			require.NoError(t, bearerguard.CheckPath(tc.name))
			file, err := dir.Open(tc.name)
			require.Nil(t, file)
			require.ErrorIs(t, err, tc.want)
		})
	}
}

func TestOpen(t *testing.T) {
	dir, root := newFileDir(t, bearerguard.DirConfig{})
	writeTestFile(t, filepath.Join(root, "Größe", "資料 100%.pdf"), "data")
	writeTestFile(t, filepath.Join(root, "%2e%2e%2fok.txt"), "literal")
	for name, want := range map[string]string{
		"ok.txt": "ok", "sub/ok.txt": "sub ok", "Größe/資料 100%.pdf": "data", "%2e%2e%2fok.txt": "literal",
	} {
		file, err := dir.Open(name)
		require.NoError(t, err, name)
		content, err := io.ReadAll(file)
		require.NoError(t, err)
		require.Equal(t, want, string(content))
		require.NoError(t, file.Close())
	}
}

func TestDirLifetime(t *testing.T) {
	t.Run("moved", func(t *testing.T) {
		base := t.TempDir()
		writeTestFile(t, filepath.Join(base, "a", "ok.txt"), "ok")
		dir, err := bearerguard.OpenDir(filepath.Join(base, "a"), bearerguard.DirConfig{})
		require.NoError(t, err)
		defer dir.Close()
		if err := os.Rename(filepath.Join(base, "a"), filepath.Join(base, "b")); err != nil {
			t.Skip(err)
		}
		file, err := dir.Open("ok.txt")
		require.NoError(t, err)
		require.NoError(t, file.Close())
	})
	t.Run("closed", func(t *testing.T) {
		dir, _ := newFileDir(t, bearerguard.DirConfig{})
		require.NoError(t, dir.Close())
		require.NoError(t, dir.Close())
		_, err := dir.Open("ok.txt")
		require.ErrorIs(t, err, fs.ErrClosed)
	})
	t.Run("zero value", func(t *testing.T) {
		var dir bearerguard.Dir
		_, err := dir.Open("ok.txt")
		require.ErrorIs(t, err, fs.ErrClosed)
		require.NoError(t, dir.Close())
	})
	t.Run("nothing to open", func(t *testing.T) {
		for _, path := range []string{"", filepath.Join(t.TempDir(), "none")} {
			_, err := bearerguard.OpenDir(path, bearerguard.DirConfig{})
			require.ErrorIs(t, err, fs.ErrNotExist)
		}
	})
}

package safepath_test

import (
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bearerguard/bearerguard/internal/safepath"
)

// One row for each rule and each way around it. The attack catalogue is played in the tests of the root package.
func TestElementRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		want safepath.Reason
	}{
		{"", safepath.Empty},
		{strings.Repeat("a", 256), safepath.TooLong},
		{strings.Repeat("字", 86), safepath.TooLong}, // 258 bytes, 86 characters
		{".", safepath.DotElement},
		{"..", safepath.DotElement},
		{"...", safepath.LeadingDot},
		{".env", safepath.LeadingDot},
		{"․env", safepath.LeadingDot},
		{"‥", safepath.LeadingDot},
		{"…", safepath.LeadingDot},
		{"︙x", safepath.LeadingDot},
		{" a", safepath.LeadingBlank},
		{"\u00a0a", safepath.LeadingBlank},
		{"\u3000a", safepath.LeadingBlank},
		{"~", safepath.LeadingTilde},
		{"~root", safepath.LeadingTilde},
		{"a.", safepath.TrailingDot},
		{"a …", safepath.TrailingDot},
		{"a․", safepath.TrailingDot},
		{"a. ", safepath.TrailingBlank},
		{"a\u2003", safepath.TrailingBlank},
		{"a\x00", safepath.Control},
		{"a\x1fb", safepath.Control},
		{"a\x7fb", safepath.Control},
		{"é\tb", safepath.Control},
		{"a\u0085b", safepath.Control},
		{"a\u009fb", safepath.Control},
		{"a/b", safepath.Reserved},
		{`a\b`, safepath.Reserved},
		{"a|b", safepath.Reserved},
		{"a:b", safepath.Reserved},
		{"a<b", safepath.Reserved},
		{"a>b", safepath.Reserved},
		{`a"b`, safepath.Reserved},
		{"a?b", safepath.Reserved},
		{"é*b", safepath.Reserved},
		{"a\xc0\xae", safepath.InvalidUTF8},
		{"a\xff", safepath.InvalidUTF8},
		{"\xed\xa0\x80", safepath.InvalidUTF8}, // a surrogate
		{"a\xe2\x82", safepath.InvalidUTF8},    // cut off
		{"a\ufffdb", safepath.Noncharacter},
		{"a\ufffeb", safepath.Noncharacter},
		{"a\ufdd0b", safepath.Noncharacter},
		{"a\U0010ffffb", safepath.Noncharacter},
		{"a\u202eb", safepath.Invisible},
		{"a\u2066b", safepath.Invisible},
		{"a\u200eb", safepath.Invisible},
		{"a\u061cb", safepath.Invisible},
		{"a\u200bb", safepath.Invisible},
		{"\ufeffab", safepath.Invisible},
		{"a\u00adb", safepath.Invisible},
		{"a\u2028b", safepath.Invisible},
		{"a\u2029b", safepath.Invisible},
		{"a\U000e0041b", safepath.Invisible},
		{"a\u200cb", safepath.Invisible},
		{"a\u200db", safepath.Invisible},
		{"é\u200db", safepath.Invisible},
		{"a\u200dé", safepath.Invisible},
		{"é\u200d", safepath.Invisible},
		{"\u200dé", safepath.Invisible},
		{"é\u200d\u200dé", safepath.Invisible},
		{"❤\u200c❤", safepath.Invisible},
		{"❤\u200dé", safepath.Invisible},
		{"a．b", safepath.Lookalike},
		{"a﹒b", safepath.Lookalike},
		{"a／b", safepath.Lookalike},
		{"a⁄b", safepath.Lookalike},
		{"a∕b", safepath.Lookalike},
		{"a⧸b", safepath.Lookalike},
		{"a＼b", safepath.Lookalike},
		{"a﹨b", safepath.Lookalike},
		{"a∖b", safepath.Lookalike},
		{"a⧵b", safepath.Lookalike},
		{"℅", safepath.Lookalike},
		{"CON", safepath.DeviceName},
		{"pRn", safepath.DeviceName},
		{"aux.tar.gz", safepath.DeviceName},
		{"nul .txt", safepath.DeviceName},
		{"nul\u00a0.txt", safepath.DeviceName},
		{"nul…txt", safepath.DeviceName},
		{"nul․txt", safepath.DeviceName},
		{"com1", safepath.DeviceName},
		{"LPT9.log", safepath.DeviceName},
		{"COM¹", safepath.DeviceName},
		{"com²", safepath.DeviceName},
		{"lpt³.x", safepath.DeviceName},
		{"lpt⁴", safepath.DeviceName},
		{"com₁", safepath.DeviceName},
		{"com①", safepath.DeviceName},
		{"ＣＯＮ", safepath.DeviceName},
		{"ｃｏｍ１.x", safepath.DeviceName},
		{"conin$", safepath.DeviceName},
		{"CONOUT$.x", safepath.DeviceName},
		{"cloc\u212a$", safepath.DeviceName},
		{"PROGRA~1", safepath.ShortName},
		{"web~1.con", safepath.ShortName},
		{"a~1", safepath.ShortName},
		{"LO1A2B~9.TXT", safepath.ShortName},
		{"A~123456.X", safepath.ShortName},
		{"ÜBERSI~1.PDF", safepath.ShortName},
	} {
		if got := safepath.Element(tc.name); got != tc.want {
			t.Errorf("Element(%+q) = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestElementAccepts(t *testing.T) {
	for _, name := range []string{
		"a", "0", "_", "Makefile", "a..b", "wait....txt", "C++ notes.pdf", "[draft] plan (2).md", "Tom & Jerry.avi",
		"100% done.txt", "50%25.txt", "%2e%2e%2f", "it's ok.txt", "a,b;c=d.txt", "price $5.txt", "#1 fan.txt",
		"user@example.com.eml", "{guid}.txt", "two  spaces.txt", "-rf", "x.tar.gz.sig", "a~", "a~b", "a-b_c.d~e",
		"report~2.final.txt", "quarterly~1.pdf", "report~2.html", "a~1.b.c", "a.b~1", "console.log", "com10", "com0", "COM", "null",
		"nul1.dat", "auxiliary", "con-artist.txt", "CONIN", "CONIN$A", "CON x.txt", "n ul.txt", "x.con",
		"résumé.pdf", "re\u0301sume\u0301.pdf", "Größe", "отчёт & 資料.csv", "日本語ファイル.pdf", "資料（最終）：v１～２.pdf",
		"Ｑ＆Ａ.txt", "ＣＯＭ.txt", "½ price.txt", "Wait… what.txt", "٣-تقرير.pdf", "דוח.txt", "รายงาน.pdf", "보고서.hwp", "ﬁn.txt",
		"می\u200cخواهم.txt", "क्\u200dष.txt", "ශ්\u200dරී.txt", "\u0600١.txt", "名\U000e0100.txt",
		"🎉 party.png", "👍🏽.jpg", "❤️.txt", "👨\u200d👩\u200d👧.jpg", "❤️\u200d🔥.png", "🏳️\u200d🌈.svg", "🇪🇺.txt",
		strings.Repeat("a", 255), strings.Repeat("字", 85), "com¹²", "a\ue000b",
	} {
		if got := safepath.Element(name); got != "" {
			t.Errorf("Element(%+q) = %q, want it accepted", name, got)
		}
	}
}

func TestPath(t *testing.T) {
	for _, tc := range []struct {
		name string
		want safepath.Reason
	}{
		{"a", ""},
		{"a/b c/d.txt", ""},
		{strings.Repeat("d/", 63) + "f", ""},
		{strings.Repeat(strings.Repeat("d", 255)+"/", 15) + strings.Repeat("d", 255), ""},
		{strings.Repeat("d/", 64) + "f", safepath.TooDeep},
		{strings.Repeat("字字字字字字字/", 186) + "f", safepath.TooDeep}, // 4093 bytes
		{strings.Repeat(strings.Repeat("d", 255)+"/", 16) + "f", safepath.TooLong},
		{"", safepath.Empty},
		{"/", safepath.Empty},
		{"/a", safepath.Empty},
		{"a/", safepath.Empty},
		{"a//b", safepath.Empty},
		{"a/../b", safepath.DotElement},
		{"a/./b", safepath.DotElement},
		{"a/.b/c", safepath.LeadingDot},
		{"a /b", safepath.TrailingBlank},
		{"nul/b", safepath.DeviceName},
	} {
		if got := safepath.Path(tc.name); got != tc.want {
			t.Errorf("Path(%.40q) = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestPlainNamesDoNotAllocate(t *testing.T) {
	for _, name := range []string{"Annual report 2024.final.pdf", "Größe & 資料.pdf"} {
		if allocs := testing.AllocsPerRun(100, func() { safepath.Path(name) }); allocs != 0 {
			t.Errorf("Path(%q): %v allocations", name, allocs)
		}
	}
}

func BenchmarkElement(b *testing.B) {
	for _, name := range []string{"Annual report 2024.final.pdf", "Größe & 資料.pdf"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				safepath.Element(name)
			}
		})
	}
}

// FuzzPath: whatever passes is what path/filepath calls local and clean, and stays so in pieces.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"a/b.txt", "../x", "a\\b", "a\xc0\xaf", "é\u200dé", "CON", "a~1/b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if safepath.Path(name) != "" {
			return
		}
		if !utf8.ValidString(name) || !filepath.IsLocal(name) || path.Clean(name) != name || strings.ContainsAny(name, "\\:\x00") {
			t.Fatalf("%q passed", name)
		}
		for element := range strings.SplitSeq(name, "/") {
			if reason := safepath.Element(element); reason != "" {
				t.Fatalf("%q passed, its element %q is refused: %s", name, element, reason)
			}
		}
	})
}

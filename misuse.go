package bearerguard

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// misuse reports a mistake of the programmer, with the place in his code, while the program starts.
func misuse(format string, args ...any) {
	panic("bearerguard: " + fmt.Sprintf(format, args...) + " (" + caller() + ")")
}

// caller is the place in the code that called into this package.
func caller() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	own, _ := frames.Next()
	for {
		frame, more := frames.Next()
		// Not by the function's name: a closure that is inlined has that of its caller.
		if filepath.Dir(frame.File) != filepath.Dir(own.File) || strings.HasSuffix(frame.File, "_test.go") {
			return fmt.Sprintf("%s:%d", frame.File, frame.Line)
		}
		if !more {
			return "unknown place"
		}
	}
}

package guardtest

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ServeHTTP serves the issuer's documents, and its faults. So an issuer of IssuerAt can stand behind any server, such as
// one with TLS.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, content, err := i.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the connection breaks
	}
	defer content.Close()
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	stream := http.NewResponseController(w)
	buffer := make([]byte, 32<<10)
	for {
		if answer.slow && stream.Flush() != nil {
			return // the client has hung up
		}
		n, err := content.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			panic(http.ErrAbortHandler)
		}
	}
}

// answer is the answer to a request, as it is over a socket and in process. It starts no goroutine.
func (i *Issuer) answer(r *http.Request) (*reply, *content, error) {
	target := r.URL.RequestURI()
	i.mu.Lock()
	if i.down || i.closed {
		i.mu.Unlock()
		return nil, nil, errRefused
	}
	i.requests[target]++
	i.mu.Unlock()

	ctx := r.Context()
	err := i.pause(ctx, func() time.Duration {
		if i.faultsOf(target).hang {
			return forever
		}
		return 0
	})
	if err == nil {
		err = i.pause(ctx, func() time.Duration { return i.faultsOf(target).delay })
	}
	if err != nil {
		return nil, nil, err
	}

	i.mu.Lock()
	defer i.mu.Unlock()
	current := i.faultsOf(target)
	answer := i.healthy(r)
	if current.twist != nil {
		current.twist(answer)
	}
	answer.measure(r.Method)
	answer.slow = current.drip > 0 || answer.blanks == forever || answer.broken
	c := &content{issuer: i, target: target, reply: *answer, drip: current.drip > 0}
	c.ctx, c.hangUp = context.WithCancel(ctx)
	return answer, c, nil
}

// measure says how long the body is, if there is one.
func (a *reply) measure(method string) {
	switch {
	case a.status == http.StatusNoContent || a.status == http.StatusNotModified:
		a.header.Del("Content-Type")
		a.header.Del("Content-Length")
		a.document, a.blanks, a.broken = "", 0, false
		return
	case a.blanks != forever && a.header.Get("Content-Length") == "":
		a.header.Set("Content-Length", strconv.FormatInt(int64(len(a.document))+a.blanks, 10))
	}
	if method == http.MethodHead {
		a.document, a.blanks, a.broken = "", 0, false
	}
}

// content is the body of an answer.
type content struct {
	issuer *Issuer
	ctx    context.Context // of the request, and until Close
	hangUp context.CancelFunc
	target string

	reply // what is left of it
	drip  bool
}

// Read sends the next bytes, when it is time for them.
func (c *content) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	switch {
	case c.document == "" && c.blanks == 0 && c.broken:
		return 0, io.ErrUnexpectedEOF
	case c.document == "" && c.blanks == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	wanted := func() time.Duration {
		if !c.drip {
			return 0
		}
		d := c.issuer.faultsOf(c.target).drip
		c.drip = d > 0 // once it flows, it flows
		return d
	}
	if err := c.issuer.pause(c.ctx, wanted); err != nil {
		return 0, err
	}
	if c.drip {
		p = p[:1]
	}
	if c.document != "" {
		n := copy(p, c.document)
		c.document = c.document[n:]
		return n, nil
	}
	n := copy(p, blanks[:min(c.blanks, int64(len(blanks)))])
	if c.blanks != forever {
		c.blanks -= int64(n)
	}
	return n, nil
}

// Close ends a Read that waits.
func (c *content) Close() error {
	c.hangUp()
	return nil
}

var blanks = strings.Repeat(" ", 32<<10)

// What a client without an answer gets, as its system would say it.
var (
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	errReset   = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
)

// pause waits as long as the state wants it, which is asked under the lock. It ends early with the context, or when the
// issuer is gone.
func (i *Issuer) pause(ctx context.Context, wanted func() time.Duration) error {
	begin := time.Now()
	for {
		i.mu.Lock()
		if i.down || i.closed {
			i.mu.Unlock()
			return errReset
		}
		rest := wanted()
		if rest != forever {
			rest -= time.Since(begin)
		}
		if rest <= 0 {
			i.mu.Unlock()
			return nil
		}
		// The channel belongs to the one who waits: a bubble of testing/synctest knows only its own channels, and the
		// issuer may be older than the bubble.
		wake := make(chan struct{})
		i.waiting[wake] = struct{}{}
		i.mu.Unlock()
		err := wait(ctx, wake, rest)
		i.mu.Lock()
		delete(i.waiting, wake)
		i.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// wait waits for a time, a wake, or the end of the context.
func wait(ctx context.Context, wake <-chan struct{}, d time.Duration) error {
	var late <-chan time.Time // forever: no timer, or the clock of a bubble would run to its end
	if d != forever {
		timer := time.NewTimer(d)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-late:
	case <-wake:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

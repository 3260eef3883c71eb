package guardtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// socket is one life of the listener.
type socket struct {
	server      *http.Server
	accepting   sync.WaitGroup
	connections sync.WaitGroup
	ended       atomic.Bool
}

func listen(address string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
}

// serve begins to serve. The caller holds life, or is alone.
func (i *Issuer) serve(listener net.Listener) {
	s := &socket{}
	s.server = &http.Server{Handler: i, ReadHeaderTimeout: 5 * time.Second, ConnState: s.track}
	s.accepting.Go(func() { _ = s.server.Serve(listener) }) // ends with unlisten
	i.socket = s
}

// track counts the connections. The server has its own list by the time it calls this, so a connection that is too late
// for Server.Close sees ended.
func (s *socket) track(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.connections.Add(1)
		if s.ended.Load() {
			_ = c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.connections.Done()
	}
}

// unlisten ends the listener and all its connections, and waits for them. The caller holds life.
func (i *Issuer) unlisten() {
	s := i.socket
	if s == nil {
		return
	}
	i.socket = nil
	s.ended.Store(true)
	_ = s.server.Close()
	s.accepting.Wait()
	s.connections.Wait()
}

// GoDown makes the issuer unreachable: its connections break, and new ones are refused, until ComeBack or Recover.
func (i *Issuer) GoDown() {
	i.life.Lock()
	defer i.life.Unlock()
	i.change(func() { i.down = true })
	i.unlisten()
}

// ComeBack ends GoDown: the issuer is back at its address. It panics if another process has taken its port meanwhile,
// and keeps it.
func (i *Issuer) ComeBack() {
	i.life.Lock()
	defer i.life.Unlock()
	i.mu.Lock()
	was, closed := i.down, i.closed
	i.mu.Unlock()
	if !was || closed {
		return
	}
	if i.address != "" {
		i.serve(relisten(i.address))
	}
	i.change(func() { i.down = false })
}

// relisten listens at an address again. The system may just have given the port to a client for a moment.
func relisten(address string) net.Listener {
	for attempt := 0; ; attempt++ {
		listener, err := listen(address)
		if err == nil {
			return listener
		}
		if attempt == 100 {
			panic(fmt.Sprintf("guardtest: the issuer cannot come back: %v", err))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Command resourceserver is a complete guarded service, configured by environment variables only. See config.go for
// them. It starts while the issuer is down, logs its decisions, and drains on SIGTERM.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/bearerguard/bearerguard"
)

// exitUsage is EX_USAGE of sysexits.h: the environment asks for what this program does not have.
const exitUsage = 64

func main() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := settingsFrom(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
	s.guard.OnDecision = bearerguard.LogDecisions(logger)
	guard, err := bearerguard.New(s.guard)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
	if err := run(s, guard, logger); err != nil {
		logger.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run serves until SIGTERM or an interrupt: the server ends first, so that the requests under way are still guarded.
func run(s settings, guard *bearerguard.Guard, logger *slog.Logger) (err error) {
	defer func() { err = errors.Join(err, guard.Close()) }()
	handler, closeFiles, err := routes(guard, s.filesDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFiles()) }()

	server := &http.Server{
		Handler:           handler,
		TLSConfig:         s.tls,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10, // a token of the largest accepted size, and room for the rest
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	logger.Info("serving", "addr", listener.Addr().String(), "tls", s.tls != nil)
	served := make(chan error, 1)
	go func() {
		if s.tls != nil {
			served <- server.ServeTLS(listener, "", "")
		} else {
			served <- server.Serve(listener)
		}
	}()
	go func() {
		if err := guard.Ready(ctx); err != nil {
			logger.Warn("not ready", "error", err)
		} else {
			logger.Info("ready: the issuer's keys are here")
		}
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(drain)
}

// routes is the service: every route with its policy. What lands on none of them needs a token too.
func routes(guard *bearerguard.Guard, filesDir string) (*bearerguard.Mux, func() error, error) {
	itemsRead := bearerguard.Scope("items:read")
	mux := guard.NewMux()
	mux.Handle("GET /healthz", bearerguard.Public("load balancer probe"), reply(map[string]any{"status": "ok"}))
	mux.Handle("GET /api/items", itemsRead, reply(map[string]any{"items": []string{"apple", "pear"}}))
	mux.Handle("POST /api/admin/reset", bearerguard.All(bearerguard.Scope("admin:reset"), bearerguard.Role("admin")), reply(map[string]any{"reset": true}))
	mux.Handle("GET /api/stepup", bearerguard.All(itemsRead, bearerguard.ACR("urn:interop:mfa")), reply(map[string]any{"stepup": true}))
	mux.Handle("GET /api/whoami", bearerguard.Authenticated(), bearerguard.Func(whoami))
	if filesDir == "" {
		return mux, func() error { return nil }, nil
	}
	dir, err := bearerguard.OpenDir(filesDir, bearerguard.DirConfig{})
	if err != nil {
		return nil, nil, err
	}
	mux.Handle("GET /api/files/{path...}", bearerguard.Scope("files:read"), dir.Handler("path"))
	return mux, dir.Close, nil
}

// whoami shows what the token says about its bearer.
func whoami(w http.ResponseWriter, r *http.Request, t *bearerguard.Token) {
	roles := t.Roles()
	if roles == nil {
		roles = []string{}
	}
	reply(map[string]any{
		"iss": t.Issuer(), "sub": t.Subject(), "client_id": t.ClientID(), "scope": strings.Join(t.Scopes(), " "), "roles": roles,
	}).ServeHTTP(w, r)
}

// reply answers with a JSON document.
func reply(document map[string]any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(document); err != nil {
			slog.Debug("the client is gone", "error", err)
		}
	})
}

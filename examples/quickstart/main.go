// Command quickstart is the whole thing on one screen: an issuer, a guard, guarded routes. With -tour it fires requests
// at itself, good and hostile, and shows what comes back.
package main

import (
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

const resource = "https://api.example.com"

// service guards its routes with tokens of the issuer. This is all that an API has to do.
func service(cfg bearerguard.Config, files *bearerguard.Dir) (http.Handler, *bearerguard.Guard, error) {
	guard, err := bearerguard.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	mux := guard.NewMux() // no route without a policy
	mux.Handle("GET /healthz", bearerguard.Public("load balancer probe"), http.HandlerFunc(healthy))
	mux.Handle("GET /items", bearerguard.Scope("items:read"), bearerguard.Func(hello))
	mux.Handle("GET /me", bearerguard.Authenticated(), bearerguard.Func(hello))
	mux.Handle("POST /admin/reset", bearerguard.All(bearerguard.Scope("admin:reset"), bearerguard.Role("admin")), bearerguard.Func(hello))
	mux.Handle("POST /transfer", bearerguard.All(bearerguard.Scope("transfer"), bearerguard.ACR("mfa")), bearerguard.Func(hello))
	mux.Handle("GET /files/{path...}", bearerguard.Scope("files:read"), files.Handler("path"))
	return mux, guard, nil
}

func healthy(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

func hello(w http.ResponseWriter, _ *http.Request, t *bearerguard.Token) {
	fmt.Fprintf(w, "hello %s\n", t.Subject())
}

func main() {
	tour := flag.Bool("tour", false, "fire requests at the service, print a table, and exit")
	addr := flag.String("addr", "127.0.0.1:8080", "where to serve")
	flag.Parse()
	run := serve
	if *tour {
		run = func(string) error { return takeTour(os.Stdout) }
	}
	if err := run(*addr); err != nil {
		log.Fatal(err)
	}
}

func serve(addr string) error {
	issuer, err := guardtest.StartIssuer() // stands for your Keycloak, Auth0, Entra ID, ...
	if err != nil {
		return err
	}
	defer issuer.Close()
	files, remove, err := sampleFiles()
	if err != nil {
		return err
	}
	defer remove()
	cfg := issuer.Config(resource)
	cfg.OnDecision = bearerguard.LogDecisions(slog.Default())
	handler, guard, err := service(cfg, files)
	if err != nil {
		return err
	}
	defer guard.Close()
	for _, line := range []struct{ path, token string }{
		{"/items", issuer.Token(guardtest.Claims{"scope": "items:read"})},
		{"/items", issuer.Token(guardtest.Claims{"scope": "profile"})},
		{"/files/hello.txt", issuer.Token(guardtest.Claims{"scope": "files:read"})},
	} {
		fmt.Printf("curl -i --path-as-is -H 'Authorization: Bearer %s' http://%s%s\n\n", line.token, addr, line.path)
	}
	return http.ListenAndServe(addr, handler) // on loopback; tokens from elsewhere need TLS
}

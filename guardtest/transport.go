package guardtest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// Transport reaches the issuer, and nobody else, in process: the answers and faults are those of the socket, but no
// connection is made and no goroutine started. All waiting is done with timers and channels of the goroutine that waits,
// so in a testing/synctest bubble the clock runs on by itself. A wait in a bubble, like that of a request that hangs, can
// only be ended from within the bubble. Compressed bodies are handed over as they are.
func (i *Issuer) Transport() http.RoundTripper { return Transport(i) }

// Transport reaches several issuers in process, and nobody else, for a Guard that trusts them all.
func Transport(issuers ...*Issuer) http.RoundTripper {
	return inProcess(slices.Clone(issuers))
}

type inProcess []*Issuer

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	i := t.issuerOf(r)
	if i == nil {
		return nil, fmt.Errorf("guardtest: a request to %s://%s, where no issuer is", r.URL.Scheme, r.URL.Host)
	}
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	answer, content, err := i.answer(r)
	if err != nil {
		return nil, err
	}
	length, err := strconv.ParseInt(answer.header.Get("Content-Length"), 10, 64)
	switch {
	case answer.status == http.StatusNoContent || answer.status == http.StatusNotModified:
		length = 0
	case err != nil:
		length = -1 // unknown, as where the socket sends chunks
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status)), StatusCode: answer.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.header, Body: content, ContentLength: length, Request: r,
	}, nil
}

// issuerOf finds the issuer that a request is for. Issuers on one host, such as the realms of a Keycloak, differ in their
// paths.
func (t inProcess) issuerOf(r *http.Request) *Issuer {
	var host *Issuer
	for _, i := range t {
		if i.origin != r.URL.Scheme+"://"+r.URL.Host {
			continue
		}
		if r.URL.Path == i.jwks || slices.Contains(i.metadata, r.URL.Path) {
			return i
		}
		if host == nil {
			host = i
		}
	}
	return host
}

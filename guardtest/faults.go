package guardtest

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// forever is longer than all others.
const forever = math.MaxInt64

// faults are what is wrong with the answers. The zero value is none.
type faults struct {
	hang        bool
	delay, drip time.Duration
	twist       func(*reply) // nil: the answer is as it should be
}

// FaultsOn limits all faults but GoDown, until Recover, to these targets, given as URLs, or as paths with their query if
// they have one: FaultsOn("/jwks"). Without targets, nothing is spared. Since the query counts, a redirect can be followed
// out of the faults: FaultsOn("/jwks"), Redirect("/jwks?moved").
func (i *Issuer) FaultsOn(targets ...string) {
	limit := make([]string, len(targets))
	for at, target := range targets {
		limit[at] = targetOf(target)
	}
	i.change(func() { i.limit = limit })
}

// Fail answers with this status, such as 503, and these header fields, such as Retry-After. The body is the real
// document, so that only who looks at the status will notice; 204 and 304 have none.
func (i *Issuer) Fail(status int, header ...http.Header) {
	if status < 200 || status > 999 {
		panic(fmt.Sprintf("guardtest: no issuer ends with status %d", status))
	}
	fields := http.Header{}
	for _, h := range header {
		for name, values := range h {
			for _, value := range values {
				fields.Add(name, value)
			}
		}
	}
	i.twist(func(answer *reply) {
		answer.status = status
		for name, values := range fields {
			answer.header[name] = slices.Clone(values)
		}
	})
}

// Redirect answers with 302 and this location, absolute or not. Other kinds of redirects: Fail with a Location.
func (i *Issuer) Redirect(location string) {
	i.twist(func(answer *reply) {
		*answer = reply{status: http.StatusFound, header: http.Header{"Location": {location}}}
	})
}

// Garbage answers with status 200 and an HTML page, as captive portals and maintenance pages do.
func (i *Issuer) Garbage() {
	i.twist(func(answer *reply) {
		*answer = reply{
			status: http.StatusOK, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
			document: "<!doctype html><title>Welcome</title><p>Please log in to use this network.</p>\n",
		}
	})
}

// Truncate sends half of the document, of which the header promises all, and breaks the connection.
func (i *Issuer) Truncate() {
	i.twist(func(answer *reply) {
		answer.header.Set("Content-Length", strconv.Itoa(len(answer.document)))
		answer.document, answer.broken = answer.document[:len(answer.document)/2], true
	})
}

// Oversize answers with the real document and so many blanks behind it that it has this many bytes. It is valid JSON:
// only its size is wrong.
func (i *Issuer) Oversize(bytes int64) {
	i.twist(func(answer *reply) { answer.blanks = max(0, bytes-int64(len(answer.document))) })
}

// Endless answers with the real document and blanks without end behind it, for as long as the client takes them.
func (i *Issuer) Endless() {
	i.twist(func(answer *reply) { answer.blanks = forever })
}

func (i *Issuer) twist(f func(*reply)) {
	i.change(func() { i.faults.twist = f })
}

// Hang takes requests and answers none, not even with a header, until Recover. Those that hang then are answered.
func (i *Issuer) Hang() {
	i.change(func() { i.faults.hang = true })
}

// Delay answers late, with what is published then. Zero means at once.
func (i *Issuer) Delay(d time.Duration) {
	i.change(func() { i.faults.delay = d })
}

// Drip sends the header at once, but the body byte by byte, with this time before each. A very long time makes an answer
// that stalls behind its header; zero means no dripping.
func (i *Issuer) Drip(interval time.Duration) {
	i.change(func() { i.faults.drip = interval })
}

// Recover ends all faults, GoDown among them: answers that hang, wait or drip are completed at once. What is published
// stays as it is: keys, documents, header fields.
//
// Of Fail, Redirect, Garbage, Truncate, Oversize and Endless, the last one called counts; all others add up.
func (i *Issuer) Recover() {
	i.change(func() { i.faults, i.limit = faults{}, nil })
	i.ComeBack()
}

// faultsOf are the faults that a request meets. The caller holds the lock.
func (i *Issuer) faultsOf(target string) faults {
	if len(i.limit) > 0 && !slices.Contains(i.limit, target) {
		return faults{}
	}
	return i.faults
}

// Requests is the number of requests that have reached the issuer, for metadata, keys or anything else.
func (i *Issuer) Requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	sum := 0
	for _, n := range i.requests {
		sum += n
	}
	return sum
}

// RequestsTo is the number of requests for one target, given as in FaultsOn. A request counts when it arrives, answered
// or not.
func (i *Issuer) RequestsTo(target string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[targetOf(target)]
}

// ResetRequests sets the counters to zero.
func (i *Issuer) ResetRequests() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.requests)
}

// targetOf is the path and query of a URL.
func targetOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		panic(fmt.Sprintf("guardtest: %v", err))
	}
	return u.RequestURI()
}

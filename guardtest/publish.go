package guardtest

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// published is what the issuer answers with when it is well.
type published struct {
	jwks, metadata string      // empty: the real ones
	header         http.Header // of the key set
	etag           bool
}

// PublishJWKS serves any text as the key set, valid or not; the empty text means the real set again. (To serve an empty
// body, publish a blank, or see Fail.)
func (i *Issuer) PublishJWKS(document string) {
	i.change(func() { i.published.jwks = document })
}

// PublishMetadata serves any text as the metadata, at all its places; the empty text means the real metadata again.
func (i *Issuer) PublishMetadata(document string) {
	i.change(func() { i.published.metadata = document })
}

// SetHeader sets a header field of the answers with the key set, such as Cache-Control; the empty value removes it. With
// Content-Encoding and PublishJWKS, a compressed set can be served, or a bomb.
func (i *Issuer) SetHeader(name, value string) {
	i.change(func() {
		if value == "" {
			i.published.header.Del(name)
			return
		}
		i.published.header.Set(name, value)
	})
}

// EnableETag gives the key set and the metadata an ETag, and answers a request that has it already with 304 (RFC 9110,
// Section 13.1.2). An ETag that SetHeader has set stands for the set whatever is in it: so an issuer can be made that
// denies its changes.
func (i *Issuer) EnableETag() {
	i.change(func() { i.published.etag = true })
}

// reply is an answer before it is sent.
type reply struct {
	status   int
	header   http.Header
	document string
	blanks   int64 // behind the document; forever: without end
	slow     bool  // each part is sent at once
	broken   bool  // what the header promises does not come
}

// healthy is the answer of an issuer that is well. The caller holds the lock.
func (i *Issuer) healthy(r *http.Request) *reply {
	answer := &reply{status: http.StatusOK, header: http.Header{}}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		answer.status = http.StatusMethodNotAllowed
		answer.header.Set("Allow", "GET, HEAD")
		return answer
	case r.URL.Path == i.jwks:
		answer.header.Set("Content-Type", "application/jwk-set+json")
		if answer.document = i.published.jwks; answer.document == "" {
			answer.document = i.keySet()
		}
		for name, values := range i.published.header {
			answer.header[name] = slices.Clone(values)
		}
	case slices.Contains(i.metadata, r.URL.Path):
		answer.header.Set("Content-Type", "application/json")
		if answer.document = i.published.metadata; answer.document == "" {
			answer.document = encode(Claims{"issuer": i.url, "jwks_uri": i.JWKSURL()})
		}
	default:
		answer.status = http.StatusNotFound
		return answer
	}
	if i.published.etag {
		answer.validate(r.Header.Values("If-None-Match"))
	}
	return answer
}

// validate turns the answer into a 304 if the client has it.
func (a *reply) validate(known []string) {
	tag := a.header.Get("ETag")
	if tag == "" {
		tag = fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(a.document)))
		a.header.Set("ETag", tag)
	}
	for has := range strings.SplitSeq(strings.Join(known, ","), ",") {
		has = strings.TrimSpace(has)
		if has == "*" || strings.TrimPrefix(has, "W/") == strings.TrimPrefix(tag, "W/") {
			a.status = http.StatusNotModified
			return
		}
	}
}

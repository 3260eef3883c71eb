package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard"
)

// settings are read from these environment variables:
//
//	ADDR                      listen address, host:port
//	ISSUER                    issuer URL; http is accepted on loopback
//	JWKS_URI                  optional: skips discovery
//	RESOURCE                  this API's identifier
//	AUDIENCE                  accepted audience; default: RESOURCE
//	SIGNING_ALGS              optional: allowed algorithms, separated by spaces
//	FILES_DIR                 optional: the directory under /api/files/
//	JWKS_TTL, JWKS_COOLDOWN   optional: seconds between refreshes, and between those that unknown keys provoke
//	CLOCK_LEEWAY, MAX_STALE   optional: seconds; a leeway of 0 means none
//	PROFILE                   rfc9068 (default), auth0, okta, hydra, zitadel, kubernetes, keycloak (whose roles:
//	                          those of the client AUDIENCE), cognito (accepted app client: AUDIENCE),
//	                          entra-v1, entra-v2 (accepted tenant: the one in ISSUER)
//	MODE                      jwt (default); no other yet
//	TLS_CERT, TLS_KEY         optional: serve TLS
//	CLIENT_CA                 optional: check certificates that clients present
type settings struct {
	addr     string
	filesDir string
	tls      *tls.Config
	guard    bearerguard.Config
}

func settingsFrom(getenv func(string) string) (settings, error) {
	var mistakes []error
	mistake := func(err error) { mistakes = append(mistakes, err) }
	required := func(name string) string {
		value := getenv(name)
		if value == "" {
			mistake(fmt.Errorf("%s is required", name))
		}
		return value
	}
	seconds := func(name string, none time.Duration) time.Duration {
		value := getenv(name)
		if value == "" {
			return 0
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || n < 0 || n > 1e9 {
			mistake(fmt.Errorf("%s %q is no number of seconds", name, value))
		}
		if n == 0 {
			return none
		}
		return time.Duration(n * float64(time.Second))
	}

	if mode := getenv("MODE"); mode != "" && mode != "jwt" {
		return settings{}, fmt.Errorf("MODE %q is not supported yet", mode)
	}
	issuer := bearerguard.Issuer{
		URL:             required("ISSUER"),
		JWKSURL:         getenv("JWKS_URI"),
		Algorithms:      strings.Fields(getenv("SIGNING_ALGS")),
		RefreshInterval: seconds("JWKS_TTL", 0),
		RefreshCooldown: seconds("JWKS_COOLDOWN", 0),
		MaxStale:        seconds("MAX_STALE", 0),
	}
	if issuer.MaxStale == 0 && 3*issuer.RefreshInterval > time.Hour {
		issuer.MaxStale = 3 * issuer.RefreshInterval
	}
	// Cleartext is for trying things out on one machine. A service elsewhere has no business with it.
	issuer.InsecureAllowHTTP = onLoopback(issuer.URL) && (issuer.JWKSURL == "" || onLoopback(issuer.JWKSURL))
	s := settings{
		addr:     required("ADDR"),
		filesDir: getenv("FILES_DIR"),
		guard: bearerguard.Config{
			Resource: required("RESOURCE"),
			Leeway:   seconds("CLOCK_LEEWAY", bearerguard.NoLeeway),
		},
	}
	if audience := getenv("AUDIENCE"); audience != "" && getenv("PROFILE") != "cognito" {
		s.guard.Audiences = []string{audience}
	}
	// Profiles that need more than one line of environment can say (several tenants, owners of repositories, a claim
	// that tells access tokens from others) are for services that write it in Go.
	switch profile := getenv("PROFILE"); profile {
	case "", "rfc9068":
	case "keycloak":
		issuer.Profile = bearerguard.Keycloak(required("AUDIENCE"))
	case "auth0":
		issuer.Profile = bearerguard.Auth0()
	case "okta":
		issuer.Profile = bearerguard.Okta()
	case "entra-v1":
		issuer.Profile = bearerguard.EntraV1(tenantOf(issuer.URL))
	case "entra-v2":
		issuer.Profile = bearerguard.EntraV2(tenantOf(issuer.URL))
	case "cognito":
		issuer.Profile = bearerguard.Cognito(required("AUDIENCE"))
	case "hydra":
		issuer.Profile = bearerguard.Hydra()
	case "zitadel":
		issuer.Profile = bearerguard.Zitadel()
	case "kubernetes":
		issuer.Profile = bearerguard.Kubernetes()
	default:
		mistake(fmt.Errorf("PROFILE %q is unknown", profile))
	}
	s.guard.Issuers = []bearerguard.Issuer{issuer}

	var err error
	if s.tls, err = tlsFrom(getenv("TLS_CERT"), getenv("TLS_KEY"), getenv("CLIENT_CA")); err != nil {
		mistake(err)
	}
	return s, errors.Join(mistakes...)
}

// tenantOf is the first path segment of an issuer of Entra ID. What is no tenant there, New refuses.
func tenantOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return tenant
}

func onLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

func tlsFrom(certificate, key, clientCA string) (*tls.Config, error) {
	if certificate == "" && key == "" {
		if clientCA != "" {
			return nil, errors.New("CLIENT_CA needs TLS_CERT and TLS_KEY")
		}
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("TLS_CERT and TLS_KEY: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clientCA != "" {
		pem, err := os.ReadFile(clientCA)
		if err != nil {
			return nil, fmt.Errorf("CLIENT_CA: %w", err)
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CLIENT_CA %q has no certificate", clientCA)
		}
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return config, nil
}

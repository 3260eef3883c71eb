// Package bearerguard turns a net/http service into a hardened OAuth 2.0 resource server.
package bearerguard

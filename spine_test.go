package bearerguard_test

import "testing"

func TestSpine(t *testing.T) {
	s := newService(t)
	t.Run("R6750-01 a valid token opens the route", func(t *testing.T) { s.get(t, ok200, "/items", s.iss.Token(good)) })
	t.Run("R6750-11 no token: a challenge without error", func(t *testing.T) { s.lines(t, noCrd, "GET", "/items") })
	t.Run("R6750-14 a scope is missing", func(t *testing.T) { s.get(t, noScp, "/items", s.iss.Token(nil)) })
}

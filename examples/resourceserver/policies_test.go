package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

// TestPolicies makes a change of who may do what show up in review, as a change of the golden file.
func TestPolicies(t *testing.T) {
	guard, err := bearerguard.New(guardtest.NewIssuer(t).Config(guardtest.DefaultResource))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, guard.Close()) })
	mux, closeFiles, err := routes(guard, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closeFiles()) })
	guardtest.GoldenPolicies(t, mux, "testdata/policies.golden")
}

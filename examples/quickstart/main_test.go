package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTour(t *testing.T) {
	var out strings.Builder
	require.NoError(t, takeTour(&out), out.String())
	require.NotContains(t, out.String(), "WRONG")
	require.GreaterOrEqual(t, strings.Count(out.String(), "\nok "), 12)
	require.NotContains(t, out.String(), "eyJ", "a token on the terminal")
}

package guardtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
)

// GoldenPolicies compares the policy table of a Mux with the one in a file, so that a change of who may do what shows up
// in review as a change of that file. A failure reads like a review comment; run the test with GOLDEN_POLICIES=write in
// the environment to accept the new table.
func GoldenPolicies(t testing.TB, mux *bearerguard.Mux, file string) {
	t.Helper()
	var table strings.Builder
	if err := mux.WritePolicies(&table); err != nil {
		t.Fatalf("guardtest: %v", err)
	}
	if os.Getenv("GOLDEN_POLICIES") == "write" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatalf("guardtest: %v", err)
		}
		if err := os.WriteFile(file, []byte(table.String()), 0o644); err != nil {
			t.Fatalf("guardtest: %v", err)
		}
		return
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("guardtest: %v (GOLDEN_POLICIES=write makes the file)", err)
	}
	for _, comment := range comparePolicies(string(golden), table.String()) {
		t.Error(comment)
	}
}

// comparePolicies says what has changed for each route.
func comparePolicies(was, now string) []string {
	before, after := policiesOf(was), policiesOf(now)
	var comments []string
	for pattern, old := range before {
		current, ok := after[pattern]
		switch {
		case !ok:
			comments = append(comments, fmt.Sprintf("%s: was %s, now there is no such route", pattern, old))
		case current != old:
			comments = append(comments, fmt.Sprintf("%s: was %s, now %s%s", pattern, old, current, judgement(old, current)))
		}
	}
	for pattern, current := range after {
		if _, ok := before[pattern]; !ok {
			comments = append(comments, fmt.Sprintf("%s: new, %s", pattern, current))
		}
	}
	slices.Sort(comments)
	return comments
}

func policiesOf(table string) map[string]string {
	policies := make(map[string]string)
	for line := range strings.Lines(table) {
		if pattern, policy, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok {
			policies[pattern] = policy
		}
	}
	return policies
}

// judgement says whether a policy became weaker or stronger, where that can be told from its text: it lost or won parts of
// a conjunction, or became public or optional.
func judgement(old, current string) string {
	oldParts, oldResource := conjunction(old)
	newParts, newResource := conjunction(current)
	opened := func(parts []string) bool {
		return strings.HasPrefix(parts[0], "public ") || strings.HasPrefix(parts[0], "optional ")
	}
	switch {
	case oldResource != newResource:
		return " — for another audience"
	case slices.Equal(oldParts, newParts):
		return ""
	case opened(newParts) && !opened(oldParts):
		return " — weaker: anonymous callers get in"
	case opened(oldParts) && !opened(newParts):
		return " — stronger"
	case subset(newParts, oldParts), slices.Equal(newParts, []string{"authenticated"}):
		return " — weaker"
	case subset(oldParts, newParts), slices.Equal(oldParts, []string{"authenticated"}):
		return " — stronger"
	}
	return ""
}

// conjunction splits "(a AND b), for resource" into a and b, unless there are alternatives in it.
func conjunction(policy string) (parts []string, resource string) {
	if i := strings.LastIndex(policy, ", for "); i >= 0 {
		policy, resource = policy[:i], policy[i+len(", for "):]
	}
	policy, _, _ = strings.Cut(policy, ", on trial ") // what is on trial refuses nobody
	if inner, ok := strings.CutPrefix(policy, "("); ok && !strings.Contains(policy, " OR ") && strings.Count(policy, "(") == 1 {
		return strings.Split(strings.TrimSuffix(inner, ")"), " AND "), resource
	}
	return []string{policy}, resource
}

func subset(parts, of []string) bool {
	return len(parts) < len(of) && !slices.ContainsFunc(parts, func(part string) bool { return !slices.Contains(of, part) })
}

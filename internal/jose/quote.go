package jose

import "strconv"

// Quote prints at most 64 bytes of a text from outside for a log: in quotes, and so that it cannot break a line.
func Quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}

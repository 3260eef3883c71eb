package jose

// number scans a number (RFC 8259, Section 6). One that float64 may not hold is refused here, so that no reader behind
// us has to decide what it means. It's tempting to ask strconv.ParseFloat; however, that takes 15 µs for a 5e-324, and a
// token has room for two thousand of them.
func (s *scanner) number() error {
	if s.src[s.pos] == '-' {
		s.pos++
	}
	start := s.pos
	switch {
	case s.pos < len(s.src) && s.src[s.pos] == '0':
		s.pos++
	case s.digits() == 0:
		return ErrSyntax
	}
	magnitude, exponent := s.pos-start, 0 // the number is below 10 to the power of their sum
	if s.pos < len(s.src) && s.src[s.pos] == '.' {
		s.pos++
		if s.digits() == 0 {
			return ErrSyntax
		}
	}
	if s.pos < len(s.src) && s.src[s.pos]|0x20 == 'e' {
		s.pos++
		negative := s.pos < len(s.src) && s.src[s.pos] == '-'
		if negative || s.pos < len(s.src) && s.src[s.pos] == '+' {
			s.pos++
		}
		start = s.pos
		for s.pos < len(s.src) && '0' <= s.src[s.pos] && s.src[s.pos] <= '9' {
			exponent = min(exponent*10+int(s.src[s.pos]-'0'), 1000)
			s.pos++
		}
		if s.pos == start {
			return ErrSyntax
		}
		if negative {
			exponent = 0
		}
	}
	if magnitude+exponent > 308 {
		return ErrNumber
	}
	return nil
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.src) && '0' <= s.src[s.pos] && s.src[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

package enrichprocessor

// cardEnd gives where the card number ends that begins at i, or 0 when there is
// none: digits in one piece, or in groups with one space or hyphen between as
// they are printed, of an issuer and its lengths (ISO/IEC 7812), with a right
// check digit, and no part of a longer number or word.
func cardEnd(s string, i int) int {
	if i > 0 && joined(s, i-1, -1) {
		return 0
	}
	var digits [19]byte
	var groups [5]int
	n, g := 0, 0
	var between byte
	for ; i < len(s) && n <= len(digits); i++ {
		switch c := s[i]; {
		case c-'0' < 10:
			if n == len(digits) {
				return 0
			}
			digits[n] = c - '0' //nolint:gosec // n is checked above
			n++
			groups[g]++
			continue
		case (c == ' ' || c == '-') && (between == 0 || between == c) && groups[g] >= 3 && g+1 < len(groups) &&
			i+1 < len(s) && s[i+1]-'0' < 10 && !isCard(digits[:n], groups[:g+1]):
			between = c
			g++
			continue
		}
		break
	}
	if !isCard(digits[:n], groups[:g+1]) || i < len(s) && joined(s, i, 1) {
		return 0
	}
	return i
}

// joined reports whether the byte beside a number makes it part of something
// longer: a word, a fraction, a date, an id in groups, a telephone number.
func joined(s string, i, step int) bool {
	switch c := s[i]; {
	case alphanumeric[c] || c >= 0x80:
		return true
	case c == '+':
		return step < 0
	case c == '.' || c == '-' || c == ',':
		beyond := i + step
		return beyond >= 0 && beyond < len(s) && alphanumeric[s[beyond]]
	}
	return false
}

func isCard(digits []byte, groups []int) bool {
	return len(digits) >= shortestCard && grouped(groups) && issued(digits) && luhn(digits)
}

// grouped reports whether digits are printed so on cards.
func grouped(g []int) bool {
	switch len(g) {
	case 1:
		return true
	case 3: // American Express, Diners
		return g[0] == 4 && g[1] == 6 && (g[2] == 5 || g[2] == 4)
	case 4:
		return g[0] == 4 && g[1] == 4 && g[2] == 4 && g[3] == 4
	case 5:
		return g[0] == 4 && g[1] == 4 && g[2] == 4 && g[3] == 4 && g[4] == 3
	}
	return false
}

// issued reports whether an issuer gives out numbers that begin so and are that
// long.
func issued(d []byte) bool {
	n := len(d)
	two := int(d[0])*10 + int(d[1])
	three := two*10 + int(d[2])
	four := three*10 + int(d[3])
	switch {
	case d[0] == 4: // Visa; its 13 digits are gone, and are those of a GTIN
		return n == 16 || n == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720: // Mastercard
		return n == 16
	case two == 34, two == 37: // American Express
		return n == 15
	case four == 6011, three >= 644 && three <= 649, two == 65: // Discover, RuPay
		return n == 16 || n == 19
	case four >= 3528 && four <= 3589: // JCB
		return n == 16
	case three >= 300 && three <= 305, two == 36, two == 38, two == 39: // Diners
		return n == 14
	case two == 62: // UnionPay
		return n >= 16
	case four >= 2200 && four <= 2204: // Mir
		return n == 16 || n == 19
	case four == 5018, four == 5020, four == 5038, four == 5893, four == 6304, four == 6759, four >= 6761 && four <= 6763: // Maestro
		return n >= 16
	}
	return false
}

// luhn checks the last digit (ISO/IEC 7812-1 annex B).
func luhn(d []byte) bool {
	sum := 0
	for i, c := range d {
		v := int(c)
		if (len(d)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

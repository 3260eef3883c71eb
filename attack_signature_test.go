package bearerguard_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard"
	"github.com/bearerguard/bearerguard/guardtest"
)

func TestAttackAlgorithmECDSA(t *testing.T) {
	k := own()
	s := newService(t, trustOwn())
	for _, curve := range []struct {
		alg, kid string
		key      *ecdsa.PrivateKey
		size     int
	}{{"ES256", "es256", k.es256, 32}, {"ES384", "es384", k.es384, 48}, {"ES512", "es512", k.es512, 66}} {
		n, one := curve.key.Params().N, big.NewInt(1)
		token := forgeSigned(curve.alg, curve.key, forgeHeader(curve.alg, curve.kid), forgePayload(ownURL))
		_, signature := forgeCut(token)
		R, S := new(big.Int).SetBytes(signature[:curve.size]), new(big.Int).SetBytes(signature[curve.size:])
		with := func(r, s *big.Int) string { return forgeWith(token, forgeRS(r, s, curve.size)) }
		top := new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, curve.size))
		der, err := asn1.Marshal(struct{ R, S *big.Int }{R, S})
		if err != nil {
			t.Fatal(err)
		}
		zero, less := new(big.Int), new(big.Int).Sub(n, one)
		t.Run("R7518-03 "+curve.alg+" R and S of full length", func(t *testing.T) { s.get(t, ok200, "/any", token) })
		refuseForged(t, s,
			forged{"A-18 R7518-06 " + curve.alg + " r=0 s=0", with(zero, zero)},
			forged{"A-18 " + curve.alg + " r=0 s=1", with(zero, one)},
			forged{"A-18 " + curve.alg + " r=1 s=0", with(one, zero)},
			forged{"A-18 " + curve.alg + " r=1 s=1", with(one, one)},
			forged{"A-18 R7518-06 " + curve.alg + " r=n s=n", with(n, n)},
			forged{"A-18 " + curve.alg + " r=n s=1", with(n, one)},
			forged{"A-18 " + curve.alg + " r=1 s=n", with(one, n)},
			forged{"A-18 " + curve.alg + " r=n-1 s=n-1", with(less, less)},
			forged{"A-18 " + curve.alg + " r=0, good s", with(zero, S)},
			forged{"A-18 " + curve.alg + " good r, s=0", with(R, zero)},
			forged{"A-18 " + curve.alg + " r and s exchanged", with(S, R)},
			forged{"A-19 R7518-03 " + curve.alg + " a good signature in DER", forgeWith(token, der)},
			forged{"A-20 R7518-03 " + curve.alg + " one octet short", forgeWith(token, signature[:2*curve.size-1])},
			forged{"A-20 R7518-03 " + curve.alg + " one octet long", forgeWith(token, append(bytes.Clone(signature), 0))},
			forged{"A-20 " + curve.alg + " two zeros behind", forgeWith(token, append(bytes.Clone(signature), 0, 0))},
			forged{"A-20 " + curve.alg + " a zero before", forgeWith(token, append([]byte{0}, signature...))},
			forged{"A-20 " + curve.alg + " r and s one octet wider", forgeWith(token, forgeRS(R, S, curve.size+1))},
			forged{"A-20 " + curve.alg + " half as long again", forgeWith(token, forgeRS(R, S, curve.size*3/2))},
			forged{"A-20 " + curve.alg + " twice the signature", forgeWith(token, slices.Concat(signature, signature))},
			forged{"A-20 " + curve.alg + " r alone", forgeWith(token, signature[:curve.size])},
			forged{"A-21 R7518-06 " + curve.alg + " good r, s=n", with(R, n)},
			forged{"A-21 " + curve.alg + " r=n, good s", with(n, S)},
			forged{"A-21 " + curve.alg + " r all ones, good s", with(top, S)},
			forged{"A-21 " + curve.alg + " good r, s all ones", with(R, top)},
			forged{"A-21 " + curve.alg + " r+n, one octet wider", forgeWith(token, forgeRS(new(big.Int).Add(R, n), S, curve.size+1))},
		)
		if curve.alg == "ES512" { // 521 bits in 66 octets leave room for more than n
			refuseForged(t, s,
				forged{"A-21 R7518-06 ES512 r+n in full length", with(new(big.Int).Add(R, n), S)},
				forged{"A-21 R7518-06 ES512 s+n in full length", with(R, new(big.Int).Add(S, n))},
			)
		}

		// RFC 7518 does not ask for low s: (r, n-s) is a good signature too. It is the same token to everything that counts.
		t.Run("A-22 "+curve.alg+" (r, n-s) of a good token is the same token", func(t *testing.T) {
			s.get(t, ok200, "/any", token)
			first := s.last().Token
			s.get(t, ok200, "/any", with(R, new(big.Int).Sub(n, S)))
			twin := s.last().Token
			if first.ID() == "" || first.ID() != twin.ID() || first.Issuer() != twin.Issuer() || first.Subject() != twin.Subject() {
				t.Errorf("%v and %v", first, twin)
			}
		})
		refuseForged(t, s, forged{"A-22 " + curve.alg + " (r, n-s) under another payload", forgeInput(forgeHeader(curve.alg, curve.kid), forgePayload(ownURL, guardtest.Claims{"sub": "root"})) + "." + forge64(forgeRS(R, new(big.Int).Sub(n, S), curve.size))})
	}

	// "Leading zeros stripped" needs a signature that has one.
	stripped := func() string {
		for {
			token := forgeSigned("ES256", k.es256, forgeHeader("ES256", "es256"), forgePayload(ownURL))
			if _, signature := forgeCut(token); signature[0] == 0 {
				return forgeWith(token, signature[1:])
			}
		}
	}
	refuseForged(t, s, forged{"A-20 ES256 leading zero of r stripped", stripped()})

	cross := func(method string, key any, alg, kid string) string {
		return forgeSigned(method, key, forgeHeader(alg, kid), forgePayload(ownURL))
	}
	p384 := guardtest.JWK(&k.es384.PublicKey, guardtest.Claims{"kid": "p384", "alg": "ES256"})
	p384bare := guardtest.JWK(&k.es384.PublicKey, guardtest.Claims{"kid": "p384-bare"})
	p256 := guardtest.JWK(&k.es256.PublicKey, guardtest.Claims{"kid": "p256", "alg": "ES512"})
	mixed := newService(t, trustOwn(p384, p384bare, p256))
	renamed := forgeJSON(guardtest.Claims{"typ": "at+jwt", "alg": "ES256", "kid": "es384"})
	input := forgeInput(renamed, forgePayload(ownURL))
	digest := sha256.Sum256([]byte(input))
	r, sig, err := ecdsa.Sign(detached{}, k.es384, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	refuseForged(t, mixed,
		forged{"A-23 R7518-04 says ES256, key of P-384, signature as ES384", cross("ES384", k.es384, "ES256", "es384")},
		forged{"A-23 R7518-04 says ES256, key of P-384 published for ES256", cross("ES384", k.es384, "ES256", "p384")},
		forged{"A-23 R7518-04 says ES256, key of P-384 published without alg", cross("ES384", k.es384, "ES256", "p384-bare")},
		forged{"A-23 R7518-04 says ES256, P-384 over SHA-256 in 96 octets", input + "." + forge64(forgeRS(r, sig, 48))},
		forged{"A-23 R7518-04 says ES512, key of P-256", cross("ES256", k.es256, "ES512", "es256")},
		forged{"A-23 R7518-04 says ES512, key of P-256 published for ES512", cross("ES256", k.es256, "ES512", "p256")},
		forged{"A-23 says ES384, key of P-256", cross("ES256", k.es256, "ES384", "es256")},
		forged{"A-23 says ES256, key of RSA", cross("RS256", k.rs, "ES256", "rs")},
		forged{"A-23 says RS256, key of P-256", cross("ES256", k.es256, "RS256", "es256")},
		forged{"A-23 says ES256, key of Ed25519", cross("EdDSA", k.ed, "ES256", "ed")},
		forged{"A-23 says ES256K", cross("ES256", k.es256, "ES256K", "es256")},
	)
}

// detached makes ecdsa.Sign choose its own randomness, whatever it is given.
type detached struct{}

func (detached) Read(p []byte) (int, error) { return len(p), nil }

// smallOrder are all canonical encodings of points whose order is 1, 2, 4 or 8 (RFC 8032, Section 5.1).
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	// The same points again, with y written as y+p, or x = 0 with the sign set.
	"0100000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestAttackAlgorithmEd25519(t *testing.T) {
	k := own()
	x25519 := guardtest.JWK(k.spareEd.Public(), guardtest.Claims{"kid": "x", "crv": "X25519"})
	x448 := guardtest.JWK(k.spareEd.Public(), guardtest.Claims{"kid": "x448", "crv": "X448"})
	ed448 := guardtest.JWK(k.spareEd.Public(), guardtest.Claims{"kid": "448", "crv": "Ed448", "alg": "Ed448"})
	s := newService(t, trustOwn(x25519, x448, ed448))
	signed := func(key any, alg, kid string) string {
		return forgeSigned("EdDSA", key, forgeHeader(alg, kid), forgePayload(ownURL))
	}
	token := signed(k.ed, "EdDSA", "ed")
	_, signature := forgeCut(token)
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	plus := func(times int64) string { // S + times·L
		scalar := bytes.Clone(signature[32:])
		slices.Reverse(scalar)
		sum := new(big.Int).Add(new(big.Int).SetBytes(scalar), new(big.Int).Mul(order, big.NewInt(times)))
		more := sum.FillBytes(make([]byte, 32))
		slices.Reverse(more)
		return forgeWith(token, append(bytes.Clone(signature[:32]), more...))
	}
	high := bytes.Clone(signature)
	high[63] |= 0xe0
	acceptForged(t, s, forged{"R8037-02 EdDSA with a key of Ed25519", token}, forged{"R9864-01 R9864-02 Ed25519 with a key that says EdDSA", signed(k.ed, "Ed25519", "ed")})
	refuseForged(t, s,
		forged{"A-24 S+L", plus(1)}, forged{"A-24 S+2L", plus(2)}, forged{"A-24 S+8L", plus(8)},
		forged{"A-24 upper bits of S set", forgeWith(token, high)},
		forged{"A-24 R8037-02 63 octets", forgeWith(token, signature[:63])},
		forged{"A-24 R8037-02 65 octets", forgeWith(token, append(bytes.Clone(signature), 0))},
		forged{"A-24 114 octets, as Ed448", forgeWith(token, append(bytes.Clone(signature), make([]byte, 50)...))},
		forged{"A-24 S=0", forgeWith(token, append(bytes.Clone(signature[:32]), make([]byte, 32)...))},
		forged{"A-24 R the neutral point, S=0", forgeWith(token, append([]byte{1}, make([]byte, 63)...))},
		forged{"A-24 R8037-03 EdDSA with a key of X25519", signed(k.spareEd, "EdDSA", "x")},
		forged{"A-24 R8037-03 EdDSA with a key of X448", signed(k.spareEd, "EdDSA", "x448")},
		forged{"A-24 R8037-02 Ed25519 with a key of Ed448", signed(k.spareEd, "Ed25519", "448")},
		forged{"A-24 Ed448 with a key of Ed448", signed(k.spareEd, "Ed448", "448")},
		forged{"A-24 R9864-02 Ed448 with a key of Ed25519", signed(k.ed, "Ed448", "ed")},
		forged{"A-24 Ed25519ph", signed(k.ed, "Ed25519ph", "ed")},
	)

	// Under a key of small order everybody can sign: R is the neutral point and S is 0.
	anyone := append([]byte{1}, make([]byte, 63)...)
	for _, text := range smallOrder {
		public, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		s := newService(t, trustOwn(guardtest.JWK(ed25519.PublicKey(public), guardtest.Claims{"kid": "small", "alg": "EdDSA"})))
		token := ""
		for range 200 { // one in eight claims sets is fit
			input := forgeInput(forgeHeader("EdDSA", "small"), forgePayload(ownURL))
			if token = input + "." + forge64(anyone); ed25519.Verify(public, []byte(input), anyone) {
				break
			}
		}
		refuseForged(t, s, forged{"A-24 a published key of small order, " + text, token})
	}
}

// digestInfo is the ASN.1 that goes before a SHA-256 hash in an RSASSA-PKCS1-v1_5 signature (RFC 8017, Section 9.2).
const digestInfo = "3031300d060960864801650304020105000420"

func TestAttackAlgorithmPKCS1(t *testing.T) {
	k := own()
	s := newService(t, trustOwn())
	input := forgeInput(forgeHeader("RS256", "rs"), forgePayload(ownURL))
	digest := sha256.Sum256([]byte(input))
	// block is head, as many 0xff as given (-1: to fill up), 00, the ASN.1, the hash, and rubbish to fill up.
	block := func(head string, run int, asn string, hash []byte, rubbish string) []byte {
		start, err := hex.DecodeString(head)
		info, err2 := hex.DecodeString(asn)
		tail, err3 := hex.DecodeString(rubbish)
		if err != nil || err2 != nil || err3 != nil {
			t.Fatal(err, err2, err3)
		}
		end := slices.Concat([]byte{0}, info, hash, tail)
		if run < 0 {
			run = 256 - len(start) - len(end)
		}
		whole := slices.Concat(start, bytes.Repeat([]byte{0xff}, run), end)
		return append(whole, make([]byte, 256-len(whole))...)
	}
	made := func(head string, run int, asn string, hash []byte, rubbish string) string {
		return input + "." + forge64(forgeRSA(k.rs, block(head, run, asn, hash, rubbish)))
	}
	sha1sum, sha384sum := sha1.Sum([]byte(input)), sha512.Sum384([]byte(input))
	goodToken := made("0001", -1, digestInfo, digest[:], "")
	_, signature := forgeCut(goodToken)
	number := func(n *big.Int) string { return input + "." + forge64(n.FillBytes(make([]byte, 256))) }
	one, n := big.NewInt(1), k.rs.N
	t.Run("A-25 R7515-16 the encoding that all others are forged from is good", func(t *testing.T) { s.get(t, ok200, "/any", goodToken) })
	refuseForged(t, s,
		forged{"A-25 R7515-16 long form of the outer length", made("0001", -1, "308131300d060960864801650304020105000420", digest[:], "")},
		forged{"A-25 long form of the inner length", made("0001", -1, "303230810d060960864801650304020105000420", digest[:], "")},
		forged{"A-25 long form of the hash length", made("0001", -1, "3032300d06096086480165030402010500048120", digest[:], "")},
		forged{"A-25 long form with a leading zero", made("0001", -1, "30820031300d060960864801650304020105000420", digest[:], "")},
		forged{"A-25 indefinite length", made("0001", -1, "3080300d060960864801650304020105000420", digest[:], "0000")},
		forged{"A-25 NULL missing", made("0001", -1, "302f300b06096086480165030402010420", digest[:], "")},
		forged{"A-25 parameters other than NULL", made("0001", -1, "3031300d060960864801650304020104000420", digest[:], "")},
		forged{"A-25 rubbish behind the hash, eight 0xff", made("0001", 8, digestInfo, digest[:], "aabbcc")},
		forged{"A-25 rubbish behind the hash, inside of the ASN.1", made("0001", -1, "3033300d060960864801650304020105000420", digest[:], "0500")},
		forged{"A-25 rubbish as parameters", made("0001", -1, "3035301106096086480165030402010404deadbeef0420", digest[:], "")},
		forged{"A-25 no 0xff at all", made("0001", 0, digestInfo, digest[:], "")},
		forged{"A-25 one 0xff less", made("0001", 201, digestInfo, digest[:], "")},
		forged{"A-25 one octet of the padding is not 0xff", made("0001fffe", -1, digestInfo, digest[:], "")},
		forged{"A-25 block type 0", made("0000", -1, digestInfo, digest[:], "")},
		forged{"A-25 block type 2", made("0002", -1, digestInfo, digest[:], "")},
		forged{"A-25 no ASN.1", made("0001", -1, "", digest[:], "")},
		forged{"A-25 R7515-16 SHA-1 inside", made("0001", -1, "3021300906052b0e03021a05000414", sha1sum[:], "")},
		forged{"A-25 R7515-16 SHA-384 inside", made("0001", -1, "3041300d060960864801650304020205000430", sha384sum[:], "")},
		forged{"A-25 SHA-384 named, SHA-256 inside", made("0001", -1, "3031300d060960864801650304020205000420", digest[:], "")},
		forged{"A-25 hash cut to 31 octets", made("0001", -1, "3030300d06096086480165030402010500041f", digest[:31], "")},
		forged{"A-25 hash of the payload alone", made("0001", -1, digestInfo, func() []byte { d := sha256.Sum256([]byte(input[strings.IndexByte(input, '.')+1:])); return d[:] }(), "")},
		forged{"A-25 signature 0", number(new(big.Int))}, forged{"A-25 signature 1", number(one)},
		forged{"A-25 signature n-1", number(new(big.Int).Sub(n, one))}, forged{"A-25 signature n", number(n)}, forged{"A-25 signature n+1", number(new(big.Int).Add(n, one))},
		forged{"A-25 n-S", number(new(big.Int).Sub(n, new(big.Int).SetBytes(signature)))},
		forged{"A-25 S+n in 257 octets", input + "." + forge64(new(big.Int).Add(n, new(big.Int).SetBytes(signature)).FillBytes(make([]byte, 257)))},
		forged{"A-25 a zero octet before", forgeWith(goodToken, append([]byte{0}, signature...))},
		forged{"A-25 eight zero octets before", forgeWith(goodToken, append(make([]byte, 8), signature...))},
		forged{"A-25 a zero octet behind", forgeWith(goodToken, append(bytes.Clone(signature), 0))},
		forged{"A-25 first octet left out", forgeWith(goodToken, signature[1:])},
		forged{"A-25 the bare encoding, not signed", forgeWith(goodToken, block("0001", -1, digestInfo, digest[:], ""))},
	)
	for range 400 { // S+n fits into 256 octets for some tokens
		token := forgeOwn(nil, nil)
		_, signature := forgeCut(token)
		if sum := new(big.Int).Add(n, new(big.Int).SetBytes(signature)); sum.BitLen() <= 2048 {
			refuseForged(t, s, forged{"A-25 S+n in 256 octets", forgeWith(token, sum.FillBytes(make([]byte, 256)))})
			break
		}
	}
}

// pssBlock is EMSA-PSS (RFC 8017, Section 9.1.1) for a key of 2048 bits, with every choice left open.
func pssBlock(message string, digest, maskWith func() hash.Hash, salt int, trailer byte) []byte {
	sum := func(h hash.Hash, parts ...[]byte) []byte {
		for _, part := range parts {
			h.Write(part)
		}
		return h.Sum(nil)
	}
	salted := bytes.Repeat([]byte{7}, salt)
	h := sum(digest(), make([]byte, 8), sum(digest(), []byte(message)), salted)
	db := make([]byte, 256-len(h)-1)
	copy(db[len(db)-salt:], salted)
	db[len(db)-salt-1] = 1
	var mask []byte
	for i := uint32(0); len(mask) < len(db); i++ {
		mask = append(mask, sum(maskWith(), h, binary.BigEndian.AppendUint32(nil, i))...)
	}
	for i := range db {
		db[i] ^= mask[i]
	}
	db[0] &= 0x7f
	return append(append(db, h...), trailer)
}

func TestAttackAlgorithmPSS(t *testing.T) {
	k := own()
	s := newService(t, trustOwn())
	input := forgeInput(forgeHeader("PS256", "ps"), forgePayload(ownURL))
	made := func(digest, maskWith func() hash.Hash, salt int, trailer byte) string {
		return input + "." + forge64(forgeRSA(k.ps, pssBlock(input, digest, maskWith, salt, trailer)))
	}
	t.Run("A-26 R7518-07 the encoding that all others are forged from is good", func(t *testing.T) { s.get(t, ok200, "/any", made(sha256.New, sha256.New, 32, 0xbc)) })
	for _, salt := range []int{0, 1, 20, 31, 33, 48, 64, 222} {
		refuseForged(t, s, forged{fmt.Sprintf("A-26 R7518-07 salt of %d octets", salt), made(sha256.New, sha256.New, salt, 0xbc)})
	}
	refuseForged(t, s,
		forged{"A-26 R7518-07 mask by SHA-1", made(sha256.New, sha1.New, 32, 0xbc)},
		forged{"A-26 R7518-07 mask by SHA-512", made(sha256.New, sha512.New, 32, 0xbc)},
		forged{"A-26 hash and mask by SHA-1", made(sha1.New, sha1.New, 20, 0xbc)},
		forged{"A-26 R7515-16 hash and mask by SHA-512", made(sha512.New, sha512.New, 64, 0xbc)},
		forged{"A-26 another trailer", made(sha256.New, sha256.New, 32, 0xcc)},
	)
}

// What an answer, or a log, tells about a bad signature must not help to make a good one.
func TestAttackAlgorithmAnswerShowsNoSignature(t *testing.T) {
	k := own()
	var log decisionLog
	s := newService(t, trustOwn(), alsoLog(&log))
	for alg, key := range map[string]crypto.Signer{"RS256": k.rs, "EdDSA": k.ed} { // their signatures have no randomness
		kid := map[string]string{"RS256": "rs", "EdDSA": "ed"}[alg]
		t.Run("A-27 "+alg, func(t *testing.T) {
			token := forgeSigned(alg, key, forgeHeader(alg, kid), forgePayload(ownURL))
			_, right := forgeCut(token)
			wrong := bytes.Clone(right)
			wrong[0] ^= 0xff
			s.get(t, badTk, "/any", forgeWith(token, wrong))
			seen := forgeExchange(t, s, forgeWith(token, wrong)) + log.String()
			if !strings.Contains(seen, string(bearerguard.ErrSignature)) {
				t.Errorf("the log does not tell the cause: %s", seen)
			}
			for _, secret := range []string{forge64(right), forge64(wrong), hex.EncodeToString(right), fmt.Sprint(right), forge64(right)[:24], string(right), forge64(k.rs.N.Bytes())[:24], "crypto/"} {
				if strings.Contains(seen, secret) {
					t.Errorf("%.24q… shows up", secret)
				}
			}
		})
	}
	mac := forgeSigned("HS256", []byte("guess"), forgeHeader("HS256", "rs"), forgePayload(ownURL))
	t.Run("A-27 HS256", func(t *testing.T) {
		s.get(t, badTk, "/any", mac)
		if input, _ := forgeCut(mac); strings.Contains(forgeExchange(t, s, mac)+log.String(), forge64(forgeSignature("HS256", k.rs.N.Bytes(), input))) {
			t.Error("the MAC under the public key shows up")
		}
	})
}

// What opener and sealer share: contexts, the key tree, padding.
//
// Nothing here decides anything; the checks stand in opener.go, where a reader looks for them.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"regexp"
	"strings"
)

const lastStep = 1023

// errRefused says nothing more on purpose.
var errRefused = errors.New("refused")

// The one HPKE suite of format 1: X-Wing (0x647A), HKDF-SHA256 (0x0001), AES-256-GCM (0x0002).
var kem, kdf, aead = hpke.MLKEM768X25519(), hpke.HKDFSHA256(), hpke.AES256GCM()

var purposeName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// encode joins parts so that no two lists of parts give the same bytes: each has its length before it.
func encode(parts ...any) []byte {
	var out []byte
	for _, part := range parts {
		var raw []byte
		switch part := part.(type) {
		case string:
			raw = []byte(part)
		case []byte:
			raw = part
		case uint32:
			raw = binary.BigEndian.AppendUint64(nil, uint64(part))
		default:
			panic("a context holds text, bytes and integers only")
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(raw)))
		out = append(out, raw...)
	}
	return out
}

// expand is HKDF-Expand-SHA256 to 32 bytes.
func expand(key, context []byte) []byte {
	out, err := hkdf.Expand(sha256.New, key, string(context), 32)
	if err != nil {
		panic(err) // only for more than 255 blocks; this is one
	}
	return out
}

// members splits a canonical audience: distinct purposes, byte-sorted, joined by "+".
func members(audience string) ([]string, error) {
	names := strings.Split(audience, "+")
	for i, name := range names {
		if !purposeName.MatchString(name) || i > 0 && names[i-1] >= name {
			return nil, errRefused
		}
	}
	return names, nil
}

// epochID commits to the epoch secret, so that a box means the same to every purpose.
func epochID(secret, vaultID []byte, audience string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(encode("customer-vault/1 epoch-id", vaultID, audience))
	return mac.Sum(nil)
}

// stanzaInfo is the HPKE info under which an epoch secret is sealed to one purpose's public key.
func stanzaInfo(vaultID []byte, audience string, epochID []byte, purpose string, publicKey []byte) []byte {
	fingerprint := sha256.Sum256(publicKey)
	return encode("customer-vault/1 epoch-key", vaultID, audience, epochID, purpose, fingerprint[:])
}

// envelopeAEAD walks from the epoch secret down the ten bits of the step to one envelope's key.
func envelopeAEAD(secret, vaultID []byte, audience string, step uint32, recordName string, salt []byte) cipher.AEAD {
	node := secret
	for bit := 9; bit >= 0; bit-- {
		node = expand(node, encode("customer-vault/1 step", step>>bit&1))
	}
	key := expand(node, encode("customer-vault/1 envelope", vaultID, audience, step, recordName, salt))
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a wrong key size; this is 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for another block size than AES has
	}
	return gcm
}

// pad is ISO/IEC 7816-4 to a multiple of 32: 1 to 32 bytes are always added.
func pad(plaintext []byte) []byte {
	zeros := 31 - len(plaintext)%32
	return bytes.Join([][]byte{plaintext, {0x80}, make([]byte, zeros)}, nil)
}

// unpad gives back the one plaintext of which pad makes these bytes, or refuses.
func unpad(padded []byte) ([]byte, error) {
	end := bytes.LastIndexByte(padded, 0x80)
	if end < 0 || !bytes.Equal(pad(padded[:end]), padded) {
		return nil, errRefused
	}
	return padded[:end], nil
}

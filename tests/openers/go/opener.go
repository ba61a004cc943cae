// The opener: from a purpose's seed to the plain fields of one record, checking all that the
// format tells an opener to check.
//
// What the job names (record, purpose, fields, vault) comes from the caller's own request and pins,
// never from the answer that carries the envelope; the audience is the one under which the epoch is
// published, and it is the caller who compares it with the pins.
package main

import (
	"crypto/hmac"
	"crypto/hpke"
	"slices"
	"unicode/utf8"
)

type openJob struct {
	Seed, Stanza, Envelope hexBytes
	VaultID                hexBytes `json:"vault_id"`
	EpochID                hexBytes `json:"epoch_id"`
	RecordName             string   `json:"record_name"`
	Audience, Purpose      string
	Fields                 map[uint32]string // the fields asked for: number in the record's message to policy name
}

// open gives the asked fields that the envelope holds: an absent one was empty when it was sealed.
func open(job openJob) (map[uint32]hexBytes, error) {
	envelope, err := readEnvelope(job.Envelope)
	if err != nil || !wellFormed(envelope) || !hmac.Equal(envelope.epochID, job.EpochID) {
		return nil, errRefused // (1) before any work, so that nobody can make us do much of it
	}
	secret, err := openStanza(job) // (2)
	if err != nil {
		return nil, errRefused
	}
	gcm := envelopeAEAD(secret, job.VaultID, job.Audience, envelope.step, job.RecordName, envelope.salt)
	fields := map[uint32]hexBytes{}
	for _, box := range envelope.boxes {
		name, asked := job.Fields[box.field]
		if !asked {
			continue // (3) left alone: its plaintext type is not ours to judge
		}
		if len(box.ciphertext) < gcm.NonceSize() {
			return nil, errRefused
		}
		nonce, sealed := box.ciphertext[:gcm.NonceSize()], box.ciphertext[gcm.NonceSize():]
		padded, err := gcm.Open(nil, nonce, sealed, encode("customer-vault/1 field", name)) // (4)
		if err != nil {
			return nil, errRefused
		}
		plaintext, err := unpad(padded) // (5) exactly as pad would make it
		if err != nil || len(plaintext) == 0 || !utf8.Valid(plaintext) {
			return nil, errRefused // (6) every field of a card or contact is a string
		}
		fields[box.field] = plaintext
	}
	return fields, nil
}

// wellFormed holds the rules that need no key.
func wellFormed(e envelope) bool {
	last := uint32(0) // so the first field is at least 1
	for _, box := range e.boxes {
		if box.field <= last {
			return false
		}
		last = box.field
	}
	return e.step <= lastStep && len(e.epochID) == 32 && len(e.salt) == 32 && len(e.boxes) > 0
}

// openStanza gives the epoch secret, or refuses one that does not give the published epoch_id.
func openStanza(job openJob) ([]byte, error) {
	names, err := members(job.Audience)
	if err != nil || !slices.Contains(names, job.Purpose) || len(job.VaultID) != 16 {
		return nil, errRefused
	}
	key, err := kem.NewPrivateKey(job.Seed)
	if err != nil {
		return nil, errRefused
	}
	info := stanzaInfo(job.VaultID, job.Audience, job.EpochID, job.Purpose, key.PublicKey().Bytes())
	secret, err := hpke.Open(key, kdf, aead, info, job.Stanza)
	if err != nil || len(secret) != 32 {
		return nil, errRefused
	}
	if !hmac.Equal(epochID(secret, job.VaultID, job.Audience), job.EpochID) {
		return nil, errRefused // else one box could mean two things to two purposes
	}
	return secret, nil
}

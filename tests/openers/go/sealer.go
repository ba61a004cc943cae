// The sealer: one fresh epoch, one envelope.
//
// A service that seals often keeps the epoch and walks its steps (4,096 envelopes or 90 seconds
// each), overwriting keys behind it. This example draws a new epoch each time, which is always right
// and costs one HPKE seal for each purpose.
package main

import (
	"crypto/hpke"
	"crypto/rand"
	"maps"
	"slices"
	"unicode/utf8"
)

type sealJob struct {
	Audience, Purpose string
	VaultID           hexBytes            `json:"vault_id"`
	RecordName        string              `json:"record_name"`
	PublicKey         hexBytes            `json:"public_key"`  // for an audience of one purpose,
	PublicKeys        map[string]hexBytes `json:"public_keys"` // or one for each purpose of the audience
	Step              uint32
	Fields            map[uint32]struct {
		Name      string
		Plaintext hexBytes
	}
}

type sealed struct {
	EpochID  hexBytes            `json:"epoch_id"`
	Stanza   hexBytes            `json:"stanza,omitempty"`
	Stanzas  map[string]hexBytes `json:"stanzas,omitempty"`
	Envelope hexBytes            `json:"envelope"`
}

func seal(job sealJob) (out sealed, err error) {
	names, err := members(job.Audience)
	if err != nil || job.Step > lastStep || len(job.VaultID) != 16 || len(job.Fields) == 0 {
		return out, errRefused
	}
	keys := job.PublicKeys
	if keys == nil {
		keys = map[string]hexBytes{job.Purpose: job.PublicKey}
	}
	// A purpose left out could not read what the policy lets it; one too many could.
	if !slices.Equal(slices.Sorted(maps.Keys(keys)), names) {
		return out, errRefused
	}
	secret, salt := random(32), random(32)
	out.EpochID = epochID(secret, job.VaultID, job.Audience)
	out.Stanzas = map[string]hexBytes{}
	for purpose, key := range keys {
		public, err := kem.NewPublicKey(key)
		if err != nil {
			return out, errRefused
		}
		info := stanzaInfo(job.VaultID, job.Audience, out.EpochID, purpose, key)
		if out.Stanzas[purpose], err = hpke.Seal(public, kdf, aead, info, secret); err != nil {
			return out, errRefused
		}
	}
	if job.PublicKeys == nil {
		out.Stanza, out.Stanzas = out.Stanzas[job.Purpose], nil
	}
	gcm := envelopeAEAD(secret, job.VaultID, job.Audience, job.Step, job.RecordName, salt)
	envelope := envelope{epochID: out.EpochID, step: job.Step, salt: salt}
	for _, number := range slices.Sorted(maps.Keys(job.Fields)) {
		field := job.Fields[number]
		if number == 0 || len(field.Plaintext) == 0 || !utf8.Valid(field.Plaintext) {
			return out, errRefused // an empty field has no box at all
		}
		nonce := random(12)
		box := box{field: number}
		box.ciphertext = gcm.Seal(nonce, nonce, pad(field.Plaintext), encode("customer-vault/1 field", field.Name))
		envelope.boxes = append(envelope.boxes, box)
	}
	out.Envelope = envelope.marshal()
	return out, nil
}

// random draws from the system; crypto/rand ends the process rather than return less.
func random(size int) []byte {
	out := make([]byte, size)
	rand.Read(out)
	return out
}

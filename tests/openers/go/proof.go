package main

// A proof that an entry stands in a log, checked with the standard library alone: a C2SP tlog-proof, whose checkpoint
// is a C2SP signed note, whose path is an inclusion proof of RFC 9162, section 2.1.3.

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

type proofJob struct {
	Proof  string
	Origin string
	Key    hexBytes
}

type proven struct {
	Entry    hexBytes `json:"entry"`
	Index    uint64   `json:"index"`
	TreeSize uint64   `json:"tree_size"`
}

var errProof = errors.New("the proof does not hold")

func checkProof(job proofJob) (*proven, error) {
	head, note, found := strings.Cut(job.Proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return nil, errProof
	}
	extra, isExtra := strings.CutPrefix(lines[1], "extra ")
	number, isIndex := strings.CutPrefix(lines[2], "index ")
	entry, errEntry := base64.StdEncoding.Strict().DecodeString(extra)
	index, errIndex := strconv.ParseUint(number, 10, 63)
	if !isExtra || !isIndex || errEntry != nil || errIndex != nil {
		return nil, errProof
	}
	var path [][]byte
	for _, line := range lines[3:] {
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(hash) != sha256.Size {
			return nil, errProof
		}
		path = append(path, hash)
	}
	size, root, err := openNote(note, job.Origin, ed25519.PublicKey(job.Key))
	if err != nil {
		return nil, err
	}
	if err := checkInclusion(entry, index, size, path, root); err != nil {
		return nil, err
	}
	return &proven{entry, index, size}, nil
}

// openNote gives the tree size and root that the log's key signed.
func openNote(note, origin string, key ed25519.PublicKey) (uint64, []byte, error) {
	text, signatures, found := strings.Cut(note, "\n\n")
	text += "\n"
	lines := strings.Split(text, "\n")
	line, isSignature := strings.CutPrefix(signatures, "\u2014 "+origin+" ")
	line, ends := strings.CutSuffix(line, "\n")
	if !found || !isSignature || !ends || len(lines) != 4 || lines[0] != origin || len(key) != ed25519.PublicKeySize {
		return 0, nil, errProof
	}
	signed, errSigned := base64.StdEncoding.Strict().DecodeString(line)
	size, errSize := strconv.ParseUint(lines[1], 10, 63)
	root, errRoot := base64.StdEncoding.Strict().DecodeString(lines[2])
	if errSigned != nil || errSize != nil || errRoot != nil || len(signed) != 4+ed25519.SignatureSize {
		return 0, nil, errProof
	}
	keyHash := sha256.Sum256(append([]byte(origin+"\n\x01"), key...))
	if !bytes.Equal(signed[:4], keyHash[:4]) || !ed25519.Verify(key, []byte(text), signed[4:]) {
		return 0, nil, errProof
	}
	return size, root, nil
}

// checkInclusion is the algorithm of RFC 9162, section 2.1.3.2.
func checkInclusion(entry []byte, index, size uint64, path [][]byte, root []byte) error {
	if index >= size {
		return errProof
	}
	fn, sn := index, size-1
	r := sha256.Sum256(append([]byte{0}, entry...))
	for _, p := range path {
		if sn == 0 {
			return errProof
		}
		if fn&1 == 1 || fn == sn {
			r = node(p, r[:])
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = node(r[:], p)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 || !bytes.Equal(r[:], root) {
		return errProof
	}
	return nil
}

func node(left, right []byte) [sha256.Size]byte {
	return sha256.Sum256(append(append([]byte{1}, left...), right...))
}

package main

// The receipt of an erasure, checked with the standard library and the log's public key alone: the key signed the root
// of a tree, the entry is a leaf of it (proof.go), the entry is that of an erasure which was done, and names the SHA-256
// of the statement. The statement may then be believed as far as the vault may: word for word, nothing added or left out.

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
)

type receiptJob struct {
	Receipt string
	Origin  string
	Key     hexBytes
}

type receiptFile struct {
	Format    string
	Statement string
	Proof     string
}

type receipt struct {
	Statement json.RawMessage `json:"statement"`
	Index     uint64          `json:"index"`
	TreeSize  uint64          `json:"tree_size"`
}

func checkReceipt(job receiptJob) (*receipt, error) {
	var file receiptFile
	if err := json.Unmarshal([]byte(job.Receipt), &file); err != nil || file.Format != "customer-vault/1 erasure-receipt-file" {
		return nil, errProof
	}
	proof, err := checkProof(proofJob{file.Proof, job.Origin, job.Key})
	if err != nil {
		return nil, err
	}
	// AuditEntry: action = 4, outcome = 8 (1 is ALLOWED), receipt = 19.
	var action, digest []byte
	var outcome uint64
	err = readFields(proof.Entry, func(tag, number uint64, data []byte) error {
		switch tag {
		case 4<<3 | length:
			action = data
		case 8<<3 | varint:
			outcome = number
		case 19<<3 | length:
			digest = data
		}
		return nil
	})
	sum := sha256.Sum256([]byte(file.Statement))
	if err != nil || string(action) != "CustomerService.EraseCustomer" || outcome != 1 || !bytes.Equal(digest, sum[:]) {
		return nil, errProof
	}
	if !json.Valid([]byte(file.Statement)) {
		return nil, errProof
	}
	return &receipt{json.RawMessage(file.Statement), proof.Index, proof.TreeSize}, nil
}

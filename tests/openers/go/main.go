// Command opener opens and seals envelopes of format 1 with Go's standard library alone.
//
// It was written from the text of the design's section 4 and shares no line with the vault, so that
// the two agree only if the text is enough. It reads one JSON job from stdin and writes one JSON
// answer to stdout; bytes are lower-case hex. Whatever goes wrong has one answer: a caller who could
// tell a wrong key from wrong padding would hold an oracle.
package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
)

type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

func answer(input []byte) (any, error) {
	var job struct{ Op string }
	if err := json.Unmarshal(input, &job); err != nil {
		return nil, err
	}
	switch job.Op {
	case "open":
		var job openJob
		if err := json.Unmarshal(input, &job); err != nil {
			return nil, err
		}
		fields, err := open(job)
		return map[string]any{"fields": fields}, err
	case "check_proof":
		var job proofJob
		if err := json.Unmarshal(input, &job); err != nil {
			return nil, err
		}
		return checkProof(job)
	case "check_receipt":
		var job receiptJob
		if err := json.Unmarshal(input, &job); err != nil {
			return nil, err
		}
		return checkReceipt(job)
	case "seal":
		var job sealJob
		if err := json.Unmarshal(input, &job); err != nil {
			return nil, err
		}
		return seal(job)
	}
	return nil, errRefused
}

func main() {
	input, err := io.ReadAll(os.Stdin)
	var output any
	if err == nil {
		output, err = answer(input)
	}
	if err != nil {
		output = map[string]string{"error": "refused"}
	}
	if json.NewEncoder(os.Stdout).Encode(output) != nil || err != nil {
		os.Exit(1)
	}
}

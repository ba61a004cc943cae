// The protobuf of an envelope, read and written by hand: four fields do not need a code generator.
//
//	message Envelope { bytes epoch_id = 1; uint32 step = 2; bytes salt = 3; repeated Box boxes = 4; }
//	message Box      { uint32 field = 1; bytes ciphertext = 2; }
//
// It reads as protobuf's own parsers read: unknown fields are skipped, of a repeated singular field
// the last one counts, an absent field is zero and a uint32 keeps the low 32 bits of its varint. A
// reader that differed here would see another envelope than the vault does.
package main

import (
	"encoding/binary"
	"math"
)

const (
	varint = 0
	length = 2
)

type envelope struct {
	epochID []byte
	step    uint32
	salt    []byte
	boxes   []box
}

type box struct {
	field      uint32
	ciphertext []byte
}

// readFields calls known for each varint or length-delimited field outside of groups.
func readFields(message []byte, known func(tag, number uint64, data []byte) error) error {
	var groups []uint64
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 || tag>>3 == 0 || tag > math.MaxUint32 {
			return errRefused
		}
		message = message[n:]
		var number uint64
		start, end := 0, 0
		switch tag & 7 {
		case varint:
			number, end = binary.Uvarint(message)
		case 1:
			end = 8
		case length:
			number, start = binary.Uvarint(message)
			if start <= 0 || number > uint64(len(message)-start) {
				return errRefused
			}
			end = start + int(number)
		case 3:
			groups = append(groups, tag>>3)
			continue
		case 4:
			if len(groups) == 0 || groups[len(groups)-1] != tag>>3 {
				return errRefused
			}
			groups = groups[:len(groups)-1]
			continue
		case 5:
			end = 4
		default:
			return errRefused
		}
		if end <= 0 || end > len(message) {
			return errRefused
		}
		if len(groups) == 0 {
			if err := known(tag, number, message[start:end]); err != nil {
				return err
			}
		}
		message = message[end:]
	}
	if len(groups) != 0 {
		return errRefused
	}
	return nil
}

func readEnvelope(message []byte) (out envelope, err error) {
	err = readFields(message, func(tag, number uint64, data []byte) error {
		switch tag {
		case 1<<3 | length:
			out.epochID = data
		case 2<<3 | varint:
			out.step = uint32(number)
		case 3<<3 | length:
			out.salt = data
		case 4<<3 | length:
			one, err := readBox(data)
			out.boxes = append(out.boxes, one)
			return err
		}
		return nil
	})
	return out, err
}

func readBox(message []byte) (out box, err error) {
	err = readFields(message, func(tag, number uint64, data []byte) error {
		switch tag {
		case 1<<3 | varint:
			out.field = uint32(number)
		case 2<<3 | length:
			out.ciphertext = data
		}
		return nil
	})
	return out, err
}

func appendBytes(message []byte, field uint64, data []byte) []byte {
	message = binary.AppendUvarint(message, field<<3|length)
	message = binary.AppendUvarint(message, uint64(len(data)))
	return append(message, data...)
}

func appendNumber(message []byte, field uint64, number uint32) []byte {
	if number == 0 { // the default is absent
		return message
	}
	message = binary.AppendUvarint(message, field<<3|varint)
	return binary.AppendUvarint(message, uint64(number))
}

func (e envelope) marshal() []byte {
	out := appendBytes(nil, 1, e.epochID)
	out = appendNumber(out, 2, e.step)
	out = appendBytes(out, 3, e.salt)
	for _, one := range e.boxes {
		out = appendBytes(out, 4, appendBytes(appendNumber(nil, 1, one.field), 2, one.ciphertext))
	}
	return out
}

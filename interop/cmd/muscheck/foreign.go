package main

import (
	"encoding/hex"
	"time"

	"github.com/mus-format/mus-stream-go"
	arropts "github.com/mus-format/mus-stream-go/options/array"
	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/raw"
	"github.com/mus-format/mus-stream-go/unsafe"
	"github.com/mus-format/mus-stream-go/varint"
)

// UUID is what packages for UUIDs have.
type UUID [16]byte

// Decimal is a decimal number as its text.
type Decimal string

// Payment has the types that other languages have packages for.
type Payment struct {
	ID     UUID
	Amount Decimal
	At     time.Time
	Fine   time.Time
	Parent *UUID
	Rates  []Decimal
}

var (
	uuidMUS       = uuidWith(varint.PositiveInt)
	rawUUIDMUS    = uuidWith(raw.Int)
	zigzagUUIDMUS = uuidWith(varint.Int)

	decimalMUS = definedOver(ord.String,
		func(v Decimal) string { return string(v) },
		func(s string) Decimal { return Decimal(s) })

	paymentMUS = structOf[Payment]{
		field(uuidMUS, func(v *Payment) *UUID { return &v.ID }),
		field(decimalMUS, func(v *Payment) *Decimal { return &v.Amount }),
		field(raw.TimeUnixUTC, func(v *Payment) *time.Time { return &v.At }),
		field(raw.TimeUnixNanoUTC, func(v *Payment) *time.Time { return &v.Fine }),
		field[Payment, *UUID](ord.NewPtrSer(uuidMUS), func(v *Payment) **UUID { return &v.Parent }),
		field[Payment, []Decimal](ord.NewSliceSer(decimalMUS), func(v *Payment) *[]Decimal { return &v.Rates }),
	}
)

func uuidWith(length mus.Serializer[int]) mus.Serializer[UUID] {
	return unsafe.NewArraySer[UUID](raw.Byte, arropts.WithLenSer[byte](length))
}

const (
	uuidName    = "array16<raw.byte>"
	decimalName = "defined.Decimal(string)"
	paymentName = "struct.Payment"
)

func foreignVectors() goldenFile {
	file := goldenFile{Doc: "What other languages have types or packages for: UUIDs, which are [16]byte and so have a length; " +
		"decimal numbers as their text; and a struct with these and with times. Made by interop/cmd/muscheck."}
	add := func(v golden) { file.Vectors = append(file.Vectors, v) }

	some := UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	var most UUID
	for i := range most {
		most[i] = 0xff
	}
	add(roundTrip(uuidName+"/nil", uuidName, uuidMUS, UUID{}, shown(UUID{})))
	add(roundTrip(uuidName+"/some", uuidName, uuidMUS, some, shown(some)))
	add(roundTrip(uuidName+"/max", uuidName, uuidMUS, most, shown(most)))
	add(roundTrip(uuidName+"/raw_len", uuidName, rawUUIDMUS, some, shown(some)).
		with("", map[string]string{"len": "raw.int"}))
	add(roundTrip(uuidName+"/zigzag_len", uuidName, zigzagUUIDMUS, some, shown(some)).
		with("", map[string]string{"len": "varint.int"}))
	add(refused(uuidName+"/too_many", uuidName, "too_large_length", uuidMUS, "11"+hex.EncodeToString(make([]byte, 17))))
	add(refused(uuidName+"/negative", uuidName, "negative_length", zigzagUUIDMUS, "01").
		with("", map[string]string{"len": "varint.int"}))
	add(refused(uuidName+"/truncated", uuidName, "eof", uuidMUS, "100102"))
	add(refused(uuidName+"/empty", uuidName, "eof", uuidMUS, ""))
	add(golden{Name: uuidName + "/too_few", Type: uuidName, Kind: "go_undefined", Hex: "0f" + hex.EncodeToString(make([]byte, 16)),
		Description: "length below the array size: Go fills the rest with whatever lies behind. A safe decoder must fail.",
		Error:       "wrong_length"})

	for _, text := range []Decimal{"0", "1", "-1", "12.50", "-0.0000000000000000000000000001",
		"79228162514264337593543950335", "-79228162514264337593543950335", "7.9228162514264337593543950335"} {
		add(roundTrip(decimalName+"/"+string(text), decimalName, decimalMUS, text, text))
	}
	add(refused(decimalName+"/truncated", decimalName, "unexpected_eof", decimalMUS, "053132"))

	at := time.Date(2026, 5, 3, 1, 38, 35, 123456789, time.UTC)
	add(roundTrip(paymentName+"/zero", paymentName, paymentMUS,
		Payment{Amount: "0", At: time.Unix(0, 0), Fine: time.Unix(0, 0)},
		payment(Payment{Amount: "0", At: time.Unix(0, 0), Fine: time.Unix(0, 0)})))
	full := Payment{ID: some, Amount: "-1234.56", At: at.Truncate(time.Second), Fine: at, Parent: &most,
		Rates: []Decimal{"1.10", "0.00001"}}
	add(roundTrip(paymentName+"/full", paymentName, paymentMUS, full, payment(full)))
	old := Payment{Amount: "1", At: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), Fine: time.Date(1969, 12, 31, 23, 59, 59, 1, time.UTC)}
	add(roundTrip(paymentName+"/before_1970", paymentName, paymentMUS, old, payment(old)))
	return file
}

func shown(id UUID) string { return hex.EncodeToString(id[:]) }

// payment is how a vector shows a Payment.
func payment(v Payment) any {
	var parent any
	if v.Parent != nil {
		parent = shown(*v.Parent)
	}
	rates := append([]Decimal{}, v.Rates...)
	return struct {
		ID       string
		Amount   Decimal
		At, Fine string
		Parent   any
		Rates    []Decimal
	}{shown(v.ID), v.Amount, v.At.UTC().Format(time.RFC3339Nano), v.Fine.UTC().Format(time.RFC3339Nano), parent, rates}
}

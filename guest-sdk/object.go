package guest

import "encoding/json"

// Nobody knows in the start-up whether an actor ever calls another or sets a schedule, and what encoding/json would find out of those
// documents for the first time costs as much as some twenty turns. So they are written by hand. They are the same bytes.

// object is a JSON object that is being written: all of it but its end. Nil is one without members.
type object []byte

// raw adds a member whose value is a document.
func (o object) raw(name string, doc []byte) object { return append(o.name(name), doc...) }

// must adds a text.
func (o object) must(name, s string) object { return appendText(o.name(name), s) }

// text adds a text unless it is empty, number one unless it is zero, and so on, as omitempty has it.
func (o object) text(name, s string) object {
	if s == "" {
		return o
	}
	return o.must(name, s)
}

func (o object) number(name string, n int64) object {
	if n == 0 {
		return o
	}
	b, _ := appendPlain(o.name(name), n)
	return b
}

func (o object) flag(name string, set bool) object {
	if !set {
		return o
	}
	return o.raw(name, []byte("true"))
}

func (o object) texts(name string, list []string) object {
	if len(list) == 0 {
		return o
	}
	o = append(o.name(name), '[')
	for i, s := range list {
		if i > 0 {
			o = append(o, ',')
		}
		o = appendText(o, s)
	}
	return append(o, ']')
}

// end returns the document.
func (o object) end() []byte {
	if len(o) == 0 {
		return []byte("{}")
	}
	return append(o, '}')
}

func (o object) name(name string) object {
	sep := byte(',')
	if len(o) == 0 {
		o, sep = make(object, 0, 128), '{'
	}
	o = append(o, sep, '"')
	return append(append(o, name...), '"', ':')
}

func appendText(b []byte, s string) []byte {
	if b, ok := appendPlain(b, s); ok {
		return b
	}
	doc, _ := json.Marshal(s) // which takes any text
	return append(b, doc...)
}

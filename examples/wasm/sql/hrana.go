package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Statement is SQL with its parameters. They go beside the text and never into it, so no value can be read as SQL.
type Statement struct {
	SQL  string  `json:"sql"`
	Args []Value `json:"args,omitempty"`
}

// Value is one of SQL's. Integers travel as text, for JSON's numbers lose digits.
type Value struct {
	Type  string          `json:"type"` // null, integer, float, text or blob
	Value json.RawMessage `json:"value,omitempty"`
}

// statement binds strings and ints to the question marks of a text.
func statement(sql string, args ...any) Statement {
	s := Statement{SQL: sql}
	for _, a := range args {
		kind, text := "text", ""
		switch a := a.(type) {
		case string:
			text = a
		case int:
			kind, text = "integer", strconv.Itoa(a)
		default:
			panic(fmt.Sprintf("a parameter is %T", a))
		}
		b, err := json.Marshal(text)
		if err != nil {
			panic(err) // a string always encodes
		}
		s.Args = append(s.Args, Value{kind, b})
	}
	return s
}

type step struct {
	Type string     `json:"type"`
	Stmt *Statement `json:"stmt,omitempty"`
}

// request is the body of a pipeline that runs statements one after the other and closes its stream.
func request(pipeline []Statement) map[string]any {
	var steps []step
	for i := range pipeline {
		steps = append(steps, step{"execute", &pipeline[i]})
	}
	return map[string]any{"requests": append(steps, step{Type: "close"})}
}

// pipelineReply is the body of the answer, as far as it is used.
type pipelineReply struct {
	Results []struct {
		Type     string `json:"type"` // ok or error
		Response struct {
			Result struct {
				Rows [][]Value `json:"rows"`
			} `json:"result"`
		} `json:"response"`
		Error struct {
			Message string `json:"message"`
			Code    string `json:"code"`
		} `json:"error"`
	} `json:"results"`
}

// results returns the rows of the last statement of a pipeline. later says that it may go well another time.
func results(r *guest.Result) (rows [][]any, later bool, err error) {
	answer, err := r.Response()
	switch {
	case err != nil:
		return nil, true, err
	case answer.Status == 429 || answer.Status >= 500:
		return nil, true, fmt.Errorf("the database answered %d", answer.Status)
	case answer.Status != 200:
		return nil, false, fmt.Errorf("the database answered %d", answer.Status)
	}
	var body pipelineReply
	if err := json.Unmarshal(answer.Body, &body); err != nil || len(body.Results) < 2 {
		return nil, false, errors.New("the database's answer is none of a pipeline")
	}
	for _, one := range body.Results {
		if one.Type != "ok" {
			return nil, one.Error.Code == "SQLITE_BUSY", errors.New(one.Error.Message)
		}
	}
	last := body.Results[len(body.Results)-2] // the last one closes the stream
	rows = make([][]any, 0, len(last.Response.Result.Rows))
	for _, row := range last.Response.Result.Rows {
		cells := make([]any, len(row))
		for i, v := range row {
			if cells[i], err = v.plain(); err != nil {
				return nil, false, err
			}
		}
		rows = append(rows, cells)
	}
	return rows, false, nil
}

// plain returns v as a client of the actor has it.
func (v Value) plain() (any, error) {
	switch v.Type {
	case "null":
		return nil, nil
	case "integer":
		var s string
		if err := json.Unmarshal(v.Value, &s); err != nil {
			return nil, err
		}
		return strconv.Atoi(s)
	case "text":
		var s string
		err := json.Unmarshal(v.Value, &s)
		return s, err
	case "float":
		var f float64
		err := json.Unmarshal(v.Value, &f)
		return f, err
	}
	return nil, fmt.Errorf("a value of type %s", v.Type)
}

// integer returns the only value of a table of one.
func integer(rows [][]any) (int, error) {
	if len(rows) == 1 && len(rows[0]) == 1 {
		if n, ok := rows[0][0].(int); ok {
			return n, nil
		}
	}
	return 0, errors.New("the database's answer is not one number")
}

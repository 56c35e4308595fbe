package actors

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// What a manifest asks for and this host would not do refuses the upload, by name.
func TestReadManifest(t *testing.T) {
	tests := map[string]struct{ actor, want string }{
		"nothing":           {`{}`, ""},
		"all hooks":         {`{"hooks":["wake","sleep","destroy","connect","disconnect","request","gone","open","message","close","upgrade","subscribe","publish"]}`, ""},
		"unknown hook":      {`{"hooks":["dream"]}`, `hook "dream"`},
		"hook twice":        {`{"hooks":["wake","wake"]}`, `hook "wake"`},
		"options":           {`{"options":{"actionTimeout":60000,"noSleep":true,"maxQueueSize":10000}}`, ""},
		"unknown option":    {`{"options":{"actionTimeOut":1,"x":2}}`, `unknown field "x"`},
		"option at limit":   {`{"options":{"sleepTimeout":86400000}}`, ""},
		"option over limit": {`{"options":{"sleepTimeout":86400001}}`, "the option sleepTimeout is 0 to 86400000"},
		"negative option":   {`{"options":{"maxSchedules":-1}}`, "maxSchedules"},
		"queue":             {`{"queues":{"jobs":{"batch":100}}}`, ""},
		"large batch":       {`{"queues":{"jobs":{"batch":101}}}`, "at most 100"},
		"bad queue name":    {`{"queues":{"\u0007":{}}}`, "malformed queue name"},
		"bad action name":   {`{"actions":{"":{}}}`, "malformed action name"},
		"bad event name":    {`{"events":["\n\u0000"]}`, "malformed event name"},
		"origin":            {`{"origins":["https://example.com","http://localhost:3000"]}`, ""},
		"origin with path":  {`{"origins":["https://example.com/"]}`, "no origin"},
		"origin of all":     {`{"origins":["*"]}`, "no origin"},
		"open":              {`{"open":["/hooks/*","/ping"]}`, ""},
		"open to all":       {`{"open":["/*"]}`, "no open path"},
		"open with dots":    {`{"open":["/a/../b"]}`, "no open path"},
		"too much is open":  {`{"open":["/a","/b","/c","/d","/e","/f","/g","/h","/i","/j","/k","/l","/m","/n","/o","/p","/q"]}`, "open paths"},
		"key names":         {`{"key":["org","room"]}`, ""},
		"bad key name":      {`{"key":["org",""]}`, "each with a name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			doc := `{"abi":1,"codec":"json","actors":{"a":` + tt.actor + `}}`
			if !json.Valid([]byte(doc)) {
				t.Fatal("the test's document is no JSON")
			}
			_, err := readManifest([]byte(doc))
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (abi.CodeOf(err) != abi.CodeModuleInvalid || !strings.Contains(abi.AsError(err).PublicMessage(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

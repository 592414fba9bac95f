package jobs

import (
	"interop/messages"
	"interop/protobufcodec"
	"interop/tagged"
)

// Protobuf returns the messages of the commands and results.
func Protobuf() protobufcodec.Types {
	return protobufcodec.Types{
		Commands: []tagged.Type{
			protobufcodec.Of(
				func(v LogCmd, m *messages.LogCmd) { m.Text = v.Text },
				func(m *messages.LogCmd) LogCmd { return LogCmd{Text: m.Text} }),
			protobufcodec.Of(
				func(v LogsCmd, m *messages.LogsCmd) { m.Count = v.Count },
				func(m *messages.LogsCmd) LogsCmd { return LogsCmd{Count: m.Count} }),
			protobufcodec.Of(
				func(v JobCmd, m *messages.JobCmd) { m.Job, m.Results, m.Together = v.Job, v.Results, v.Together },
				func(m *messages.JobCmd) JobCmd {
					return JobCmd{Job: m.Job, Results: m.Results, Together: m.Together}
				}),
			protobufcodec.Of(
				func(v RefuseCmd, m *messages.RefuseCmd) { m.Code, m.Message = v.Code, v.Message },
				func(m *messages.RefuseCmd) RefuseCmd { return RefuseCmd{Code: m.Code, Message: m.Message} }),
		},
		Results: []tagged.Type{
			protobufcodec.Of(
				func(v LogsResult, m *messages.LogsResult) { m.Texts = v.Texts },
				func(m *messages.LogsResult) LogsResult { return LogsResult{Texts: m.Texts} }),
			protobufcodec.Of(
				func(v JobResult, m *messages.JobResult) { m.Job, m.Number, m.Last = v.Job, v.Number, v.Last },
				func(m *messages.JobResult) JobResult {
					return JobResult{Job: m.Job, Number: m.Number, Last: m.Last}
				}),
			protobufcodec.Of(
				func(v Problem, m *messages.Problem) { m.Code, m.Message = v.Code, v.Message },
				func(m *messages.Problem) Problem { return Problem{Code: m.Code, Message: m.Message} }),
		},
	}
}

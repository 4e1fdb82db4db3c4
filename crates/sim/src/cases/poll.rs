//! A polling step type, as some cases register one: the first poll at the start, further ones an interval apart.

use stdx::{Duration, Value};
use workflow::steps::{Next, StepCx, StepMeta, StepType, Wake};
use workflow::{Class, Fault};

/// The step type of one mock.
#[derive(Debug)]
pub(super) struct Poll {
    mock: Value,
}

static META: StepMeta = StepMeta {
    name: "poll",
    title: "Poll",
    description: "asks again and again until something is done",
    group: "flow",
    class: Class::None,
    schema: r#"{"type":"object"}"#,
    output: "{}",
    connectors: &[],
    config: &[],
    example: "",
};

impl Poll {
    /// Step types live as long as the program; a case leaks a few bytes.
    pub(super) fn of(mock: &Value) -> &'static dyn StepType {
        Box::leak(Box::new(Self { mock: mock.get("poll").cloned().unwrap_or_default() }))
    }

    fn look(&self, cx: &StepCx<'_>, input: &Value, polls: i64) -> Next {
        let wanted = match self.mock.get("completesAfterPolls") {
            Some(by @ Value::Object(_)) => {
                let name = by.get("$byInput").and_then(Value::as_str).unwrap_or("");
                let value = input.get(name).map(workflow::template::print).unwrap_or_default();
                by.get(&value).and_then(Value::as_i64)
            }
            other => other.and_then(Value::as_i64),
        };
        if wanted.is_some_and(|n| polls >= n) {
            return Next::Done(filled(self.mock.get("output").unwrap_or(&Value::Null), input));
        }
        let interval = self.mock.get("intervalMs").and_then(Value::as_i64).unwrap_or(1000);
        let memo = Value::object([("input", input.clone()), ("polls", Value::Int(polls))]);
        Next::Sleep { until: cx.now + Duration::from_ms(interval), memo }
    }
}

fn filled(output: &Value, input: &Value) -> Value {
    match output {
        Value::Object(o) => match o.get("$input").and_then(Value::as_str) {
            Some(name) => input.get(name).cloned().unwrap_or_default(),
            None => Value::object(o.iter().map(|(k, v)| (k.clone(), filled(v, input)))),
        },
        other => other.clone(),
    }
}

impl StepType for Poll {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let first = i64::from(self.mock.get("runFirst").and_then(Value::as_bool) != Some(true));
        self.look(cx, &params, first)
    }
    fn resume(&self, cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        let input = memo.get("input").cloned().unwrap_or_default();
        match wake {
            Wake::Timer => self.look(cx, &input, memo.get("polls").and_then(Value::as_i64).unwrap_or(0) + 1),
            _ => Next::Fail(Fault::new("Error", "a poll is woken by the clock alone")),
        }
    }
}

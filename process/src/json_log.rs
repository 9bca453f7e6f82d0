//! JSON logs, one object a line: `time`, `level`, `logger`, `message`, then the event's fields and those of its spans, all at the top.
//!
//! The subscriber's own JSON format nests fields and names them otherwise than log pipelines of web apps expect.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::{MakeVisitor, RecordFields};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events.
pub(crate) struct JsonLines;

/// Formats a span's fields, as a JSON object that [`JsonLines`] merges in.
pub(crate) struct Fields;

impl<S> FormatEvent<S, Fields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(&self, context: &FmtContext<'_, S, Fields>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::new();
        line.insert("time".into(), Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("logger".into(), event.metadata().target().into());
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<FormattedFields<Fields>>() else { continue };
            // A span whose fields were recorded in several steps holds several objects, one behind the other.
            for object in serde_json::Deserializer::from_str(&fields.fields).into_iter::<Map<String, Value>>().flatten() {
                line.extend(object);
            }
        }
        let mut visitor = Visitor(line);
        event.record(&mut visitor);
        let text = serde_json::to_string(&visitor.0).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = self.make_visitor(());
        fields.record(&mut visitor);
        let text = serde_json::to_string(&visitor.0).map_err(|_| fmt::Error)?;
        writer.write_str(&text)
    }
}

impl MakeVisitor<()> for Fields {
    type Visitor = Visitor;

    fn make_visitor(&self, (): ()) -> Visitor {
        Visitor(Map::new())
    }
}

/// Collects fields as JSON values.
pub(crate) struct Visitor(Map<String, Value>);

impl Visitor {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        // Directions for the Sentry layer, not for readers.
        if field.name().starts_with("sentry.") {
            return;
        }
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Visitor {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_fields_of_its_spans_at_the_top() {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer().fmt_fields(Fields).event_format(JsonLines).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("job", job.id = "a1", request_id = tracing::field::Empty);
            span.record("request_id", "web-7");
            let _inside = span.enter();
            tracing::warn!(duration_ms = 12, "took \"long\"\nvery");
        });
        let bytes = sink.0.lock().unwrap().clone();
        let line: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "took \"long\"\nvery");
        assert_eq!((&line["job.id"], &line["request_id"], &line["duration_ms"]), (&"a1".into(), &"web-7".into(), &12.into()));
        assert!(line["logger"].as_str().unwrap().starts_with("celeriac_process"));
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }
}

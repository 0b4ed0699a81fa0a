//! Tools: functions of the host that guest code may call by name.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use keelback_session::Value;

use crate::Error;

/// The arguments of a call, in the order of the parameters; those left out have their default.
pub type Arguments = Vec<Value>;

type SyncFunction = dyn Fn(Arguments) -> Result<Value, ToolError> + Send + Sync;
pub(crate) type ToolFuture = Pin<Box<dyn Future<Output = Result<Value, ToolError>> + Send>>;
type AsyncFunction = dyn Fn(Arguments) -> ToolFuture + Send + Sync;

/// A function of the host, offered to the guest by name.
///
/// ```
/// use keelback_sandbox::{Parameter, Tool, Value};
///
/// let double = Tool::new("double", |arguments| match &arguments[0] {
///     Value::Int(n) => Ok(Value::Int(n * 2)),
///     other => Err(keelback_sandbox::ToolError::new("TypeError", format!("cannot double {other}"))),
/// })
/// .doc("Twice the number.")
/// .parameter(Parameter::new("n").json_type("integer"));
/// assert_eq!(double.name(), "double");
/// ```
#[derive(Clone)]
pub struct Tool {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) function: ToolFunction,
    unbound: bool,
    pub(crate) ends_cell: bool,
}

#[derive(Clone)]
pub(crate) enum ToolFunction {
    Sync(Arc<SyncFunction>),
    Async(Arc<AsyncFunction>),
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

impl Tool {
    /// A tool that runs to its end when it is called. Awaited calls of it run at the same time, on threads.
    pub fn new(
        name: impl Into<String>,
        function: impl Fn(Arguments) -> Result<Value, ToolError> + Send + Sync + 'static,
    ) -> Self {
        Tool {
            name: name.into(),
            doc: String::new(),
            parameters: Vec::new(),
            function: ToolFunction::Sync(Arc::new(function)),
            unbound: false,
            ends_cell: false,
        }
    }

    /// A tool whose call is a future; it is polled by whoever runs the cell.
    pub fn new_async<F>(name: impl Into<String>, function: impl Fn(Arguments) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Value, ToolError>> + Send + 'static,
    {
        let function: Arc<AsyncFunction> = Arc::new(move |arguments| Box::pin(function(arguments)));
        let function = ToolFunction::Async(function);
        let (doc, parameters) = (String::new(), Vec::new());
        Tool { name: name.into(), doc, parameters, function, unbound: false, ends_cell: false }
    }

    /// What `help(tool)` shows below the signature.
    #[must_use]
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        self.doc = doc.into();
        self
    }

    /// The function gets what was passed, and binds it itself: two values, a tuple of the positional arguments and a
    /// dict of those by keyword. Parameters then serve the guest's own check and its help.
    #[must_use]
    pub fn unbound(mut self) -> Self {
        self.unbound = true;
        self
    }

    /// When the function returns, the cell ends at once, with [`Outcome::Final`](crate::Outcome::Final): no `except:`
    /// of the guest keeps it going. When the function fails, the guest gets the exception and goes on.
    #[must_use]
    pub fn ends_cell(mut self) -> Self {
        self.ends_cell = true;
        self
    }

    /// Adds a parameter, positional or by keyword.
    #[must_use]
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// The name guest code calls it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |reason| Err(Error::Tool { name: self.name.clone(), reason });
        if !is_identifier(&self.name) {
            return refuse("its name is not a Python identifier");
        }
        let mut optional = false;
        let mut last = ParameterKind::Normal;
        for (i, parameter) in self.parameters.iter().enumerate() {
            if !is_identifier(&parameter.name) {
                return refuse("the name of a parameter is not a Python identifier");
            }
            if self.parameters[..i].iter().any(|earlier| earlier.name == parameter.name) {
                return refuse("two parameters have the same name");
            }
            if parameter.kind < last || (parameter.kind == last && parameter.kind.is_variadic()) {
                return refuse("its parameters are not in the order that Python wants");
            }
            last = parameter.kind;
            if parameter.kind != ParameterKind::Normal {
                if !self.unbound {
                    return refuse("only the function of an unbound tool takes such a parameter");
                }
                continue;
            }
            if optional && parameter.default.is_none() {
                return refuse("a parameter without a default follows one with a default");
            }
            optional |= parameter.default.is_some();
        }
        Ok(())
    }

    /// The form the guest gets it in.
    pub(crate) fn describe(&self) -> Value {
        let parameters = self.parameters.iter().map(|parameter| {
            Value::Tuple(vec![
                Value::from(parameter.name.as_str()),
                Value::from(parameter.json_type.as_str()),
                Value::Bool(parameter.default.is_some()),
                parameter.default.clone().unwrap_or(Value::None),
                Value::Int(match parameter.kind {
                    ParameterKind::Normal => 0,
                    ParameterKind::VarPositional => 1,
                    ParameterKind::VarKeyword => 2,
                    ParameterKind::KeywordOnly => 3,
                }),
                Value::from(parameter.annotation.as_str()),
            ])
        });
        Value::Tuple(vec![
            Value::from(self.name.as_str()),
            Value::List(parameters.collect()),
            Value::from(self.doc.as_str()),
        ])
    }

    /// The arguments of a call in the order of the parameters. The guest has bound them already; a guest that lies
    /// gets the same TypeError from here.
    pub(crate) fn bind(&self, args: Vec<Value>, kwargs: Vec<(Value, Value)>) -> Result<Arguments, ToolError> {
        if self.unbound {
            return Ok(vec![Value::Tuple(args), Value::Dict(kwargs)]);
        }
        let refuse = |text: String| Err(ToolError::new("TypeError", format!("{}() {text}", self.name)));
        if args.len() > self.parameters.len() {
            return refuse(format!("takes {} arguments but {} were given", self.parameters.len(), args.len()));
        }
        let mut bound: Vec<Option<Value>> = args.into_iter().map(Some).collect();
        bound.resize(self.parameters.len(), None);
        for (key, value) in kwargs {
            let name = key.as_str().unwrap_or_default();
            let Some(index) = self.parameters.iter().position(|parameter| parameter.name == name) else {
                return refuse(format!("got an unexpected keyword argument '{name}'"));
            };
            if bound[index].replace(value).is_some() {
                return refuse(format!("got multiple values for argument '{name}'"));
            }
        }
        let mut arguments = Arguments::with_capacity(bound.len());
        for (parameter, value) in self.parameters.iter().zip(bound) {
            match value.or_else(|| parameter.default.clone()) {
                Some(value) => arguments.push(value),
                None => return refuse(format!("missing required argument: '{}'", parameter.name)),
            }
        }
        Ok(arguments)
    }
}

/// How an argument gets to a parameter; in the order that parameters have in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParameterKind {
    /// By position or keyword.
    Normal,
    /// `*args`.
    VarPositional,
    /// By keyword only.
    KeywordOnly,
    /// `**kwargs`.
    VarKeyword,
}

impl ParameterKind {
    fn is_variadic(self) -> bool {
        matches!(self, ParameterKind::VarPositional | ParameterKind::VarKeyword)
    }
}

/// A parameter of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    name: String,
    json_type: String,
    annotation: String,
    kind: ParameterKind,
    default: Option<Value>,
}

impl Parameter {
    /// A required parameter of any type.
    pub fn new(name: impl Into<String>) -> Self {
        let kind = ParameterKind::Normal;
        Parameter { name: name.into(), json_type: String::new(), annotation: String::new(), kind, default: None }
    }

    /// Another way to pass it; for [`Tool::unbound`] tools.
    #[must_use]
    pub fn kind(mut self, kind: ParameterKind) -> Self {
        self.kind = kind;
        self
    }

    /// What the signature in the guest shows; without it, the type.
    #[must_use]
    pub fn annotation(mut self, annotation: impl Into<String>) -> Self {
        self.annotation = annotation.into();
        self
    }

    /// One of `string`, `integer`, `number`, `boolean`, `array`, `object`, `null`; checked before the call.
    #[must_use]
    pub fn json_type(mut self, json_type: impl Into<String>) -> Self {
        self.json_type = json_type.into();
        self
    }

    /// Makes it optional.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }
}

/// What a tool raises in the guest: an exception of that name where Python has a builtin one, else `ToolError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{exception}: {message}")]
pub struct ToolError {
    /// The name of the exception's type.
    pub exception: String,
    /// Its only argument.
    pub message: String,
}

impl ToolError {
    /// An exception by the name of its type.
    pub fn new(exception: impl Into<String>, message: impl Into<String>) -> Self {
        ToolError { exception: exception.into(), message: message.into() }
    }
}

impl From<ToolError> for Value {
    /// The payload of a failed call.
    fn from(error: ToolError) -> Self {
        Value::Tuple(vec![Value::Str(error.exception), Value::Str(error.message)])
    }
}

/// ASCII only: a name that Python would normalise is refused rather than changed.
fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool() -> Tool {
        Tool::new("f", |arguments| Ok(Value::List(arguments)))
            .parameter(Parameter::new("a"))
            .parameter(Parameter::new("b").default(2))
    }

    #[track_caller]
    fn check(args: &[i64], kwargs: &[(&str, i64)], expected: Result<&[i64], &str>) {
        let args = args.iter().map(|n| Value::Int(*n)).collect();
        let kwargs = kwargs.iter().map(|(name, n)| (Value::from(*name), Value::Int(*n))).collect();
        let bound = tool().bind(args, kwargs).map_err(|error| error.message);
        let expected = expected.map(|ns| ns.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>()).map_err(str::to_owned);
        assert_eq!(bound, expected);
    }

    #[test]
    fn arguments_bind_as_in_python() {
        check(&[1], &[], Ok(&[1, 2]));
        check(&[1, 5], &[], Ok(&[1, 5]));
        check(&[], &[("b", 4), ("a", 3)], Ok(&[3, 4]));
        check(&[], &[], Err("f() missing required argument: 'a'"));
        check(&[1], &[("a", 1)], Err("f() got multiple values for argument 'a'"));
        check(&[1], &[("c", 1)], Err("f() got an unexpected keyword argument 'c'"));
        check(&[1, 2, 3], &[], Err("f() takes 2 arguments but 3 were given"));
    }

    #[test]
    fn a_tool_needs_names_that_python_can_say() {
        assert!(tool().check().is_ok());
        assert!(Tool::new("a b", |_| Ok(Value::None)).check().is_err());
        assert!(tool().parameter(Parameter::new("a").default(1)).check().is_err());
        assert!(tool().parameter(Parameter::new("c")).check().is_err());
    }
}

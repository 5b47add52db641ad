//! Typed calls of the manager's interface, and waiting for the jobs that they start.

use std::time::{Duration, Instant};

use crate::{ClientError, Connection, Value, names};

/// One row of `ListUnits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitRecord {
    /// Primary name.
    pub name: String,
    /// Description, the name if it has none.
    pub description: String,
    /// Whether its file was loaded.
    pub load_state: String,
    /// Active state.
    pub active_state: String,
    /// State of its type.
    pub sub_state: String,
    /// The unit whose state it follows.
    pub following: String,
    /// Its object.
    pub path: String,
    /// Queued job, 0 for none.
    pub job_id: u32,
    /// The job's type.
    pub job_type: String,
    /// The job's object.
    pub job_path: String,
}

/// One change to the links below the unit folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFileChange {
    /// `symlink`, `unlink`, or a name of what went wrong.
    pub kind: String,
    /// The link.
    pub path: String,
    /// What it points to.
    pub source: String,
}

/// The manager, over one connection.
#[derive(Debug)]
pub struct Manager {
    connection: Connection,
}

impl Manager {
    /// To PID 1's private socket.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn connect() -> Result<Self, ClientError> {
        Ok(Self {
            connection: Connection::private()?,
        })
    }

    /// Over an open connection.
    #[must_use]
    pub fn over(connection: Connection) -> Self {
        Self { connection }
    }

    /// The connection below, for calls that have no method here.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Any method of the manager.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn call(&mut self, member: &str, body: Vec<Value>) -> Result<Vec<Value>, ClientError> {
        self.connection
            .method(names::MANAGER_PATH, names::MANAGER, member, body)
    }

    fn call_for_text(&mut self, member: &str, body: Vec<Value>) -> Result<String, ClientError> {
        let answer = self.call(member, body)?;
        match answer.first().and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => Err(unexpected(member, &answer)),
        }
    }

    /// A method that queues a job, by its name (`StartUnit`, `TryRestartUnit`, …): the job's path.
    ///
    /// # Errors
    /// When PID 1 refuses, with the name of the reason.
    pub fn queue_job(
        &mut self,
        member: &str,
        unit: &str,
        mode: &str,
    ) -> Result<String, ClientError> {
        self.call_for_text(member, vec![unit.into(), mode.into()])
    }

    /// Queues a start job.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn start_unit(&mut self, unit: &str, mode: &str) -> Result<String, ClientError> {
        self.queue_job("StartUnit", unit, mode)
    }

    /// Queues a stop job.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn stop_unit(&mut self, unit: &str, mode: &str) -> Result<String, ClientError> {
        self.queue_job("StopUnit", unit, mode)
    }

    /// Queues a restart job.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn restart_unit(&mut self, unit: &str, mode: &str) -> Result<String, ClientError> {
        self.queue_job("RestartUnit", unit, mode)
    }

    /// Waits until a job has ended: its result (`done`, `failed`, `canceled`, …), or `None` when
    /// the patience is over. Ask right after the call that returned the job.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn wait_for_job(
        &mut self,
        job: &str,
        patience: Option<Duration>,
    ) -> Result<Option<String>, ClientError> {
        let deadline = patience.map(|p| Instant::now() + p);
        while let Some(signal) = self.connection.next_signal(deadline)? {
            if signal.member.as_deref() != Some("JobRemoved") {
                continue;
            }
            if let [_, path, _, result] = signal.body.as_slice()
                && path.as_str() == Some(job)
            {
                return Ok(Some(result.as_str().unwrap_or_default().to_owned()));
            }
        }
        Ok(None)
    }

    /// Has every unit file read again.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn reload(&mut self) -> Result<(), ClientError> {
        self.connection.set_patience(None);
        let answer = self.call("Reload", vec![]);
        self.connection.set_patience(Some(Duration::from_secs(25)));
        answer.map(|_| ())
    }

    /// Forgets the failed state of a unit.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn reset_failed_unit(&mut self, unit: &str) -> Result<(), ClientError> {
        self.call("ResetFailedUnit", vec![unit.into()]).map(|_| ())
    }

    /// Sends a signal to a unit's processes; `whom` is `all`, `main` or `control`.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn kill_unit(&mut self, unit: &str, whom: &str, signal: i32) -> Result<(), ClientError> {
        self.call("KillUnit", vec![unit.into(), whom.into(), signal.into()])
            .map(|_| ())
    }

    /// Runs a unit that exists only at run time: the job's path.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn start_transient_unit(
        &mut self,
        unit: &str,
        mode: &str,
        properties: Vec<(&str, Value)>,
    ) -> Result<String, ClientError> {
        let properties = properties
            .into_iter()
            .map(|(key, value)| Value::Struct(vec![key.into(), Value::variant(value)]))
            .collect();
        let body = vec![
            unit.into(),
            mode.into(),
            Value::array("(sv)", properties),
            Value::array("(sa(sv))", vec![]),
        ];
        self.call_for_text("StartTransientUnit", body)
    }

    /// Makes the links of `[Install]` sections: whether there was one, and the changes.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn enable_unit_files(
        &mut self,
        files: &[&str],
        runtime: bool,
        force: bool,
    ) -> Result<(bool, Vec<UnitFileChange>), ClientError> {
        let answer = self.call(
            "EnableUnitFiles",
            vec![
                Value::strings(files.iter().copied()),
                runtime.into(),
                force.into(),
            ],
        )?;
        match answer.as_slice() {
            [info, changes] => Ok((info.as_bool().unwrap_or(true), changes_of(changes))),
            _ => Err(unexpected("EnableUnitFiles", &answer)),
        }
    }

    /// Removes those links.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn disable_unit_files(
        &mut self,
        files: &[&str],
        runtime: bool,
    ) -> Result<Vec<UnitFileChange>, ClientError> {
        let answer = self.call(
            "DisableUnitFiles",
            vec![Value::strings(files.iter().copied()), runtime.into()],
        )?;
        Ok(answer.first().map(changes_of).unwrap_or_default())
    }

    /// Makes a unit file from outside the unit folders known.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn link_unit_files(
        &mut self,
        files: &[&str],
        runtime: bool,
        force: bool,
    ) -> Result<Vec<UnitFileChange>, ClientError> {
        let answer = self.call(
            "LinkUnitFiles",
            vec![
                Value::strings(files.iter().copied()),
                runtime.into(),
                force.into(),
            ],
        )?;
        Ok(answer.first().map(changes_of).unwrap_or_default())
    }

    /// All loaded units.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn list_units(&mut self) -> Result<Vec<UnitRecord>, ClientError> {
        let answer = self.call("ListUnits", vec![])?;
        Ok(answer.first().map(records_of).unwrap_or_default())
    }

    /// The loaded units of these states whose names match a pattern; empty lists match all.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn list_units_by_patterns(
        &mut self,
        states: &[String],
        patterns: &[String],
    ) -> Result<Vec<UnitRecord>, ClientError> {
        let body = vec![Value::strings(states), Value::strings(patterns)];
        let answer = self.call("ListUnitsByPatterns", body)?;
        Ok(answer.first().map(records_of).unwrap_or_default())
    }

    /// The named units, loaded for the purpose.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn list_units_by_names(&mut self, units: &[&str]) -> Result<Vec<UnitRecord>, ClientError> {
        let answer = self.call(
            "ListUnitsByNames",
            vec![Value::strings(units.iter().copied())],
        )?;
        Ok(answer.first().map(records_of).unwrap_or_default())
    }

    /// The state of a unit's file, such as `enabled`.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn unit_file_state(&mut self, file: &str) -> Result<String, ClientError> {
        self.call_for_text("GetUnitFileState", vec![file.into()])
    }

    /// One property of a unit, loading the unit for it.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn unit_property(
        &mut self,
        unit: &str,
        interface: &str,
        property: &str,
    ) -> Result<Value, ClientError> {
        self.property(&names::unit_path(unit), interface, property)
    }

    /// One property of an object.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn property(
        &mut self,
        path: &str,
        interface: &str,
        property: &str,
    ) -> Result<Value, ClientError> {
        let answer = self.connection.method(
            path,
            names::PROPERTIES,
            "Get",
            vec![interface.into(), property.into()],
        )?;
        match answer.first() {
            Some(value) => Ok(value.plain().clone()),
            None => Err(unexpected("Get", &answer)),
        }
    }

    /// All properties of an object, in PID 1's order; an empty interface means all interfaces.
    ///
    /// # Errors
    /// When PID 1 refuses.
    pub fn all_properties(
        &mut self,
        path: &str,
        interface: &str,
    ) -> Result<Vec<(String, Value)>, ClientError> {
        let answer =
            self.connection
                .method(path, names::PROPERTIES, "GetAll", vec![interface.into()])?;
        match answer.first() {
            Some(dict) => Ok(dict
                .entries()
                .map(|(k, v)| (k.to_owned(), v.clone()))
                .collect()),
            None => Err(unexpected("GetAll", &answer)),
        }
    }
}

fn unexpected(member: &str, answer: &[Value]) -> ClientError {
    ClientError::Answer {
        member: member.to_owned(),
        signature: answer.iter().map(Value::signature).collect(),
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn changes_of(value: &Value) -> Vec<UnitFileChange> {
    value
        .items()
        .iter()
        .map(|change| {
            let fields = change.items();
            UnitFileChange {
                kind: text(fields.first()),
                path: text(fields.get(1)),
                source: text(fields.get(2)),
            }
        })
        .collect()
}

fn records_of(value: &Value) -> Vec<UnitRecord> {
    value
        .items()
        .iter()
        .map(|record| {
            let f = record.items();
            UnitRecord {
                name: text(f.first()),
                description: text(f.get(1)),
                load_state: text(f.get(2)),
                active_state: text(f.get(3)),
                sub_state: text(f.get(4)),
                following: text(f.get(5)),
                path: text(f.get(6)),
                job_id: f.get(7).and_then(Value::as_u32).unwrap_or(0),
                job_type: text(f.get(8)),
                job_path: text(f.get(9)),
            }
        })
        .collect()
}

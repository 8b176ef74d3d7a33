//! One table of all that is offered: each route stands with its handler and with what the OpenAPI document says of it, so that a route
//! without a word in the document cannot be. Knows axum's router and no handler.

mod document;
pub mod schemas;

use std::collections::BTreeMap;

use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{self, ApiError};
use crate::oauth_error::OauthError;
use crate::origin::is_safe;

/// What one listener offers.
pub struct Api {
    /// What it is for, in Markdown.
    about: &'static str,
    routes: Vec<Route>,
}

/// A method of a path.
pub struct Route {
    method: Method,
    path: &'static str,
    handler: MethodRouter<App>,
    id: &'static str,
    group: &'static str,
    summary: &'static str,
    credentials: Vec<Credential>,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    answers: Vec<Success>,
    refusals: Vec<ApiError>,
    /// In the words of RFC 6749.
    oauth_refusals: Vec<OauthError>,
    /// Of all types that it takes and answers, by name.
    schemas: BTreeMap<String, Value>,
}

/// How a request says who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Anybody may call.
    Nothing,
    /// An access token in `Authorization`.
    AccessToken,
    /// A gateway token in `Authorization`.
    GatewayToken,
    /// An admin token in `Authorization`.
    AdminToken,
    /// An OAuth client's id and secret in `Authorization`; or in the form.
    ClientSecret,
}

struct Parameter {
    /// `query` or `header`; those in the path are in the path.
    place: &'static str,
    name: &'static str,
    is_required: bool,
    schema: Value,
    about: &'static str,
}

struct Body {
    media_type: &'static str,
    is_required: bool,
    schema: Value,
}

struct Success {
    status: StatusCode,
    /// Empty: there is no body.
    media_type: &'static str,
    schema: Value,
    about: &'static str,
}

const JSON: &str = "application/json";
/// What every call may answer.
const ANYWHERE: [ApiError; 3] = [
    ApiError::TimedOut,
    ApiError::Internal,
    ApiError::Unavailable,
];
/// Where the answer's `detail` says what is wrong.
const INVALID: ApiError =
    ApiError::Invalid("The request is not what this call takes; `detail` says why.");
/// What a call with an access token may answer.
const UNAUTHORIZED: [ApiError; 3] = [ApiError::NoCredential, ApiError::InvalidToken, INVALID];

impl Api {
    /// One that offers nothing yet.
    pub const fn new(about: &'static str) -> Self {
        Self {
            about,
            routes: Vec::new(),
        }
    }

    /// Offers these routes too, which the document shows together under that name.
    #[must_use]
    pub fn group(mut self, name: &'static str, routes: impl IntoIterator<Item = Route>) -> Self {
        let named = |route| Route {
            group: name,
            ..route
        };
        self.routes.extend(routes.into_iter().map(named));
        self
    }

    /// Refuses what pages of other sites send, where it would change something.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        let changing = self
            .routes
            .iter_mut()
            .filter(|route| !is_safe(&route.method));
        changing.for_each(|route| route.refusals.push(ApiError::CrossOrigin));
        self
    }

    /// The routes, ready to be served.
    pub fn router(self) -> Router<App> {
        self.routes
            .into_iter()
            .fold(Router::new(), |router, route| {
                router.route(route.path, route.handler)
            })
    }

    /// The OpenAPI 3.1 document of the routes, offered under the address `base_url`.
    pub fn document(&self, base_url: &str) -> Value {
        document::of(self, base_url)
    }
}

/// A GET, and with it HEAD.
pub fn get<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route::new(Method::GET, MethodFilter::GET, path, handler)
}

/// A POST.
pub fn post<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route::new(Method::POST, MethodFilter::POST, path, handler)
}

/// A PUT.
pub fn put<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route::new(Method::PUT, MethodFilter::PUT, path, handler)
}

/// A PATCH.
pub fn patch<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route::new(Method::PATCH, MethodFilter::PATCH, path, handler)
}

/// A DELETE.
pub fn delete<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route::new(Method::DELETE, MethodFilter::DELETE, path, handler)
}

impl Route {
    fn new<H: Handler<T, App>, T: 'static>(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self {
        Self {
            method,
            path,
            handler: on(filter, handler),
            id: "",
            group: "",
            summary: "",
            credentials: Vec::new(),
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals: ANYWHERE.into(),
            oauth_refusals: Vec::new(),
            schemas: BTreeMap::new(),
        }
    }

    /// Its name for generated clients, and one sentence on what it does.
    #[must_use]
    pub const fn does(mut self, id: &'static str, summary: &'static str) -> Self {
        self.id = id;
        self.summary = summary;
        self
    }

    /// Takes one of these credentials.
    #[must_use]
    pub fn credentials(mut self, credentials: &[Credential]) -> Self {
        self.credentials = credentials.into();
        self.refuses(UNAUTHORIZED)
    }

    /// For the owner of an account alone: an access token is demanded.
    #[must_use]
    pub fn owned(self) -> Self {
        self.credentials(&[Credential::AccessToken])
    }

    /// The same, and its `auth_time` must be recent.
    #[must_use]
    pub fn recent(self) -> Self {
        self.owned().refuses([ApiError::NotRecent])
    }

    /// The same, and its session must be stepped up: recent, and with a code or the app.
    #[must_use]
    pub fn stepped_up(self) -> Self {
        self.owned().refuses([ApiError::NotSteppedUp])
    }

    /// Takes a JSON body.
    #[must_use]
    pub fn takes<T: ToSchema>(self) -> Self {
        self.takes_body::<T>(JSON, true)
    }

    /// Takes a JSON body, or none.
    #[must_use]
    pub fn may_take<T: ToSchema>(self) -> Self {
        self.takes_body::<T>(JSON, false)
    }

    fn takes_body<T: ToSchema>(mut self, media_type: &'static str, is_required: bool) -> Self {
        let schema = self.schema_of::<T>();
        self.body = Some(Body {
            media_type,
            is_required,
            schema,
        });
        self.refuses([INVALID, ApiError::TooLarge, ApiError::UnsupportedMediaType])
    }

    /// Takes a parameter of the query, always.
    #[must_use]
    pub fn query(self, name: &'static str, schema: Value, about: &'static str) -> Self {
        self.parameter("query", name, true, schema, about)
            .refuses([INVALID])
    }

    /// The same, which may be missing.
    #[must_use]
    pub fn optional_query(self, name: &'static str, schema: Value, about: &'static str) -> Self {
        self.parameter("query", name, false, schema, about)
            .refuses([INVALID])
    }

    /// Looks at a header field, when there is one.
    #[must_use]
    pub fn header(self, name: &'static str, schema: Value, about: &'static str) -> Self {
        self.parameter("header", name, false, schema, about)
    }

    fn parameter(
        mut self,
        place: &'static str,
        name: &'static str,
        is_required: bool,
        schema: Value,
        about: &'static str,
    ) -> Self {
        self.parameters.push(Parameter {
            place,
            name,
            is_required,
            schema,
            about,
        });
        self
    }

    /// Answers with that JSON.
    #[must_use]
    pub fn answers<T: ToSchema>(mut self, status: StatusCode, about: &'static str) -> Self {
        let schema = self.schema_of::<T>();
        self.answers_with(status, JSON, schema, about)
    }

    /// Answers with something else than a type of ours.
    #[must_use]
    pub fn answers_with(
        mut self,
        status: StatusCode,
        media_type: &'static str,
        schema: Value,
        about: &'static str,
    ) -> Self {
        self.answers.push(Success {
            status,
            media_type,
            schema,
            about,
        });
        self
    }

    /// Answers with an empty body.
    #[must_use]
    pub fn answers_nothing(self, status: StatusCode, about: &'static str) -> Self {
        self.answers_with(status, "", Value::Null, about)
    }

    /// Ends sessions, and answers with a receipt.
    #[must_use]
    pub fn answers_receipt<T: ToSchema>(self) -> Self {
        self.header(
            "Prefer",
            json!({ "type": "string" }),
            "RFC 7240: `wait=N` waits for the receipt up to N seconds, 30 at most; `respond-async` not at all; without it, 1 second.",
        )
        .answers::<T>(
            StatusCode::OK,
            "No gateway accepts the access tokens of the ended sessions any more.",
        )
        .answers::<T>(
            StatusCode::ACCEPTED,
            "The sessions have ended; a gateway may still accept their access tokens until `effective_by`.",
        )
    }

    /// May refuse with these too.
    #[must_use]
    pub fn refuses(mut self, refusals: impl IntoIterator<Item = ApiError>) -> Self {
        self.refusals.extend(refusals);
        self
    }

    /// Takes a form from an OAuth client, of one of these credentials, and refuses in the words of RFC 6749.
    #[must_use]
    pub fn takes_form(mut self, credentials: &[Credential], schema: Value) -> Self {
        self.credentials = credentials.into();
        self.body = Some(Body {
            media_type: "application/x-www-form-urlencoded",
            is_required: true,
            schema,
        });
        self.oauth_refusals.extend([
            OauthError::Invalid(
                "The request is not what this call takes; `error_description` says why.",
            ),
            OauthError::InvalidClient,
            OauthError::Api(ApiError::TooLarge),
            OauthError::Api(ApiError::UnsupportedMediaType),
            OauthError::Api(ApiError::TimedOut),
            OauthError::Api(error::LIMITED),
            OauthError::Api(ApiError::Unavailable),
        ]);
        self
    }

    /// May refuse with these too, in the words of RFC 6749.
    #[must_use]
    pub fn refuses_clients(mut self, refusals: impl IntoIterator<Item = OauthError>) -> Self {
        self.oauth_refusals.extend(refusals);
        self
    }

    /// Refers to a type's schema, and keeps it and those in it.
    fn schema_of<T: ToSchema>(&mut self) -> Value {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        let schemas = schemas
            .into_iter()
            .map(|(name, schema)| (name, json!(schema)));
        self.schemas.extend(schemas);
        json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
    }
}

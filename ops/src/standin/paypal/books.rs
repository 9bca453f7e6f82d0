//! What the stand-in remembers: orders, captures, request ids, tokens and faults to come.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::StubOptions;
use super::fault::{Fault, FaultKind, Step};
use super::vault::{self, Method};
use super::wire::{CaptureOrder, CreateOrder, PurchaseUnit, Refusal};

#[derive(Debug)]
pub(super) struct Books {
    options: StubOptions,
    orders: BTreeMap<String, Order>,
    /// By call and request id: when it was first answered, and how.
    answered: HashMap<(String, String), (Instant, StatusCode, Value)>,
    tokens: HashSet<String>,
    faults: Vec<Fault>,
    /// Calls of any kind, refused ones included.
    pub(super) calls: usize,
    pub(super) capture_calls: usize,
    /// Calls that are kept waiting for ever.
    pub(super) hanging: usize,
    /// Every capture, also of orders forgotten since.
    paid: Vec<Paid>,
}

#[derive(Debug, Clone)]
struct Order {
    unit: PurchaseUnit,
    capture: Option<Capture>,
}

#[derive(Debug, Clone)]
struct Capture {
    id: String,
    pending: bool,
}

#[derive(Debug, Clone)]
struct Paid {
    invoice_id: String,
    /// As in `12.30 USD`.
    amount: String,
}

/// A status and a body.
pub(super) type Reply = Result<(StatusCode, Value), Refusal>;

impl Books {
    pub(super) fn new(options: StubOptions) -> Self {
        Self {
            options,
            orders: BTreeMap::new(),
            answered: HashMap::new(),
            tokens: HashSet::new(),
            faults: Vec::new(),
            calls: 0,
            capture_calls: 0,
            hanging: 0,
            paid: Vec::new(),
        }
    }

    pub(super) fn grant_token(&mut self) -> String {
        let token = format!("A21AA{}", Uuid::new_v4().simple());
        self.tokens.insert(token.clone());
        token
    }

    pub(super) fn knows_token(&self, token: &str) -> bool {
        self.tokens.contains(token)
    }

    pub(super) fn add_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Counts the call. The fault that it meets, if any, is used up by it.
    pub(super) fn begin_call(&mut self, step: Step) -> Option<FaultKind> {
        self.calls += 1;
        let fault = self.faults.iter_mut().find(|fault| fault.step == step && fault.times > 0)?;
        fault.times -= 1;
        Some(fault.kind)
    }

    /// The answer that the request id had before, or `work`'s, remembered under it.
    pub(super) fn once(&mut self, call: &str, request_id: Option<&str>, work: impl FnOnce(&mut Self) -> Reply) -> Reply {
        let Some(request_id) = request_id else { return work(self) };
        let key = (call.to_owned(), request_id.to_owned());
        if let Some((at, status, body)) = self.answered.get(&key)
            && at.elapsed() < self.options.request_id_ttl
        {
            // A repeated success is 200 where the first was 201.
            return if status.is_success() {
                Ok((StatusCode::OK, body.clone()))
            } else {
                Err(Refusal { status: *status, body: body.clone() })
            };
        }
        let reply = work(self);
        let (status, body) = match &reply {
            Ok((status, body)) => (*status, body.clone()),
            Err(refusal) => (refusal.status, refusal.body.clone()),
        };
        self.answered.insert(key, (Instant::now(), status, body));
        reply
    }

    pub(super) fn create_order(&mut self, request: CreateOrder) -> Reply {
        if request.payment_source.is_some() {
            return Err(Refusal::invalid("NOT_SUPPORTED", "This stand-in captures only by the capture call."));
        }
        let [unit] = request.purchase_units.as_slice() else {
            return Err(Refusal::invalid("INVALID_ARRAY_MIN_ITEMS", "The stand-in takes exactly one purchase unit."));
        };
        if request.intent != "CAPTURE" {
            return Err(Refusal::invalid("INVALID_PARAMETER_VALUE", "The intent must be CAPTURE."));
        }
        if !unit.amount.is_payable() {
            return Err(Refusal::unprocessable("DECIMAL_PRECISION", "The amount is not one that can be paid in this currency."));
        }
        let id = Uuid::new_v4().simple().to_string()[..17].to_uppercase();
        self.orders.insert(id.clone(), Order { unit: unit.clone(), capture: None });
        Ok((StatusCode::CREATED, self.order(&id)?))
    }

    /// The order as PayPal shows it.
    pub(super) fn order(&self, id: &str) -> Result<Value, Refusal> {
        let order = self.orders.get(id).ok_or_else(Refusal::no_such_order)?;
        let amount = json!({ "currency_code": order.unit.amount.currency_code, "value": order.unit.amount.value });
        let mut unit = json!({ "reference_id": "default", "invoice_id": order.unit.invoice_id, "amount": amount });
        if let Some(capture) = &order.capture {
            let mut shown = json!({
                "id": capture.id, "status": if capture.pending { "PENDING" } else { "COMPLETED" }, "amount": amount,
                "invoice_id": order.unit.invoice_id, "final_capture": true
            });
            if capture.pending {
                shown["status_details"] = json!({ "reason": "ECHECK" });
            }
            unit["payments"] = json!({ "captures": [shown] });
        }
        let status = if order.capture.is_some() { "COMPLETED" } else { "CREATED" };
        let href = format!("/v2/checkout/orders/{id}");
        let links = json!([{ "href": href, "rel": "self", "method": "GET" }]);
        Ok(json!({ "id": id, "intent": "CAPTURE", "status": status, "purchase_units": [unit], "links": links }))
    }

    pub(super) fn capture(&mut self, id: &str, request: &CaptureOrder) -> Reply {
        let invoice_id = {
            let order = self.orders.get(id).ok_or_else(Refusal::no_such_order)?;
            if order.capture.is_some() {
                let description = "Order already captured. If 'intent=CAPTURE' only one capture per order is allowed.";
                return Err(Refusal::unprocessable("ORDER_ALREADY_CAPTURED", description));
            }
            order.unit.invoice_id.clone().unwrap_or_default()
        };
        let wallet = request.payment_source.as_ref().and_then(|source| source.paypal.as_ref());
        let Some(vault_id) = wallet.and_then(|wallet| wallet.vault_id.as_deref()) else {
            let description = "Payer has not yet approved the Order for payment. Provide a valid `payment_source` in the request.";
            return Err(Refusal::unprocessable("ORDER_NOT_APPROVED", description));
        };
        if self.options.refuse_paid_invoices && self.paid.iter().any(|paid| paid.invoice_id == invoice_id) {
            return Err(Refusal::unprocessable("DUPLICATE_INVOICE_ID", "Duplicate Invoice ID detected."));
        }
        let method = vault::look_up(vault_id)?;
        let order = self.orders.get_mut(id).ok_or_else(Refusal::no_such_order)?;
        let capture_id = Uuid::new_v4().simple().to_string()[..17].to_uppercase();
        order.capture = Some(Capture { id: capture_id, pending: method == Method::PaysLater });
        let amount = format!("{} {}", order.unit.amount.value, order.unit.amount.currency_code);
        self.paid.push(Paid { invoice_id, amount });
        Ok((StatusCode::CREATED, self.order(id)?))
    }

    pub(super) fn captures_by_invoice(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for paid in &self.paid {
            *counts.entry(paid.invoice_id.clone()).or_default() += 1;
        }
        counts
    }

    pub(super) fn captured(&self, invoice_id: &str) -> Vec<String> {
        self.paid.iter().filter(|paid| paid.invoice_id == invoice_id).map(|paid| paid.amount.clone()).collect()
    }

    pub(super) fn forget_request_ids(&mut self) {
        self.answered.clear();
    }

    pub(super) fn forget_orders(&mut self, paid_too: bool) {
        self.orders.retain(|_, order| order.capture.is_some() && !paid_too);
    }

    pub(super) fn complete_pending(&mut self) {
        for capture in self.orders.values_mut().filter_map(|order| order.capture.as_mut()) {
            capture.pending = false;
        }
    }
}

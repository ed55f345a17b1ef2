package loadgen

// The vocabulary of the generated events. Names are invented; addresses are of
// the documentation ranges (RFC 5737, RFC 3849) and of private networks.

var services = []string{"webshop", "billing-api", "identity", "backoffice"}

var givenNames = []string{
	"amara", "björn", "chen", "dilnoza", "eero", "fatima", "giulia", "hamza", "ines", "jun", "kofi", "leila",
	"mateo", "nadia", "olu", "priya", "quentin", "rosa", "samir", "tove", "uma", "viktor", "wren", "yusuf",
}

var familyNames = []string{
	"abe", "berg", "costa", "diallo", "evans", "fischer", "garcía", "haddad", "ito", "jansen", "kaya", "lopez",
	"mensah", "novak", "okafor", "petrov", "rossi", "singh", "tanaka", "weber",
}

var userAgents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
	"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
	"okhttp/5.1.0",
	"python-requests/2.32.5",
}

// endpoint is a route and how its paths are made: %d takes an object's number.
type endpoint struct {
	method, route, path string
	query               string
	status              int64
	typicalUS           int64
}

var endpoints = []endpoint{
	{method: "GET", route: "/api/orders/", path: "/api/orders/", query: "page=2&ordering=-created_at", status: 200, typicalUS: 42_000},
	{method: "GET", route: "/api/orders/{id}/", path: "/api/orders/%d/", status: 200, typicalUS: 18_000},
	{method: "POST", route: "/api/orders/", path: "/api/orders/", status: 201, typicalUS: 96_000},
	{method: "PATCH", route: "/api/customers/{id}/", path: "/api/customers/%d/", status: 200, typicalUS: 55_000},
	{method: "DELETE", route: "/api/carts/{id}/items/", path: "/api/carts/%d/items/", status: 204, typicalUS: 21_000},
	{method: "GET", route: "/api/products/", path: "/api/products/", query: "q=wireless+headphones&limit=48&in_stock=true", status: 200, typicalUS: 61_000},
	{method: "GET", route: "/api/invoices/{id}/pdf", path: "/api/invoices/%d/pdf", status: 200, typicalUS: 310_000},
	{method: "PUT", route: "/api/settings/notifications", path: "/api/settings/notifications", status: 200, typicalUS: 30_000},
	{method: "GET", route: "/api/reports/sales", path: "/api/reports/sales", query: "from=2026-01-01&to=2026-03-31&group=week", status: 200, typicalUS: 780_000},
}

// model is a kind of object that is created, changed and deleted.
type model struct {
	contentType string
	label       string
	fields      []string
}

var models = []model{
	{contentType: "shop.order", label: "Order", fields: []string{"status", "total", "shipping_method", "note"}},
	{contentType: "shop.product", label: "Product", fields: []string{"name", "price", "stock", "category"}},
	{contentType: "crm.customer", label: "Customer", fields: []string{"email", "phone", "segment", "newsletter"}},
	{contentType: "billing.invoice", label: "Invoice", fields: []string{"state", "due_date", "amount", "currency"}},
	{contentType: "auth.user", label: "User", fields: []string{"is_active", "last_name", "groups", "language"}},
}

var fieldValues = []string{
	"pending", "paid", "shipped", "cancelled", "129.90", "2499.00", "express", "standard", "gold", "EUR", "USD",
	"2026-03-31", "42", "café", "left at reception", "true", "false",
}

var origins = []string{
	"https://shop.example.com", "https://admin.example.com", "https://partner.example.net", "http://localhost:3000",
}

// systemEvent is something the platform says of itself.
type systemEvent struct {
	name, category, source, message string
	severity                        int64
	failed                          bool
}

var systemEvents = []systemEvent{
	{name: "migration.applied", category: "database", source: "manage.py migrate", message: "Applied shop.0042_order_index in 3.2 s", severity: 9},
	{name: "queue.backlog", category: "queue", source: "celery@worker-3", message: "1,204 tasks wait in the queue 'mail'", severity: 13},
	{name: "deploy.finished", category: "server", source: "release", message: "Release 2026.11.3 is live on 6 of 6 hosts", severity: 9},
	{name: "certificate.expiring", category: "security", source: "certbot", message: "The certificate of shop.example.com expires in 12 days", severity: 13},
	{name: "unhandled.exception", category: "server", source: "shop.views.checkout", message: "IntegrityError: duplicate order number", severity: 17, failed: true},
}

const traceback = `Traceback (most recent call last):
  File "/srv/app/shop/views.py", line 214, in checkout
    order = create_order(cart, request.user)
  File "/srv/app/shop/services.py", line 88, in create_order
    return Order.objects.create(number=next_number(), customer=customer)
django.db.utils.IntegrityError: UNIQUE constraint failed: shop_order.number`

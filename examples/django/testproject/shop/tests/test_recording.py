"""What is recorded, in the process itself: the tests of the whole way are in test/e2e/django_test.go."""
import asyncio
import json
from contextlib import contextmanager
from unittest import mock

import activitylog
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory, TransactionTestCase

from ..models import Customer, Order, Tag, Ticket


@contextmanager
def queries():
    """What reaches the database."""
    sent = []
    with connection.execute_wrapper(lambda execute, sql, *rest: sent.append(sql) or execute(sql, *rest)):
        yield sent


class Recorded(TransactionTestCase):
    def setUp(self):
        self.events = []
        spool = mock.patch.object(activitylog.sender, "put", lambda kind, event: self.events.append(
            json.loads(activitylog.encode({"kind": kind, **{n: v for n, v in event.items() if v is not None}}))))
        spool.start()
        self.addCleanup(spool.stop)

    def crud(self, model="shop.order"):
        return [e for e in self.events if e["kind"] == "crud" and e["content_type"] == model]

    def order(self, **fields):
        order = Order.objects.create(**{"number": "A1", **fields})
        self.events.clear()
        return Order.objects.get(pk=order.pk)


class Changes(Recorded):
    def test_create_has_the_object_after_and_no_before(self):
        order = Order.objects.create(number="A1", total="1.50")
        [event] = self.crud()
        self.assertEqual((event["event_type"], event["object_id"]), ("create", str(order.pk)))
        self.assertNotIn("before", event)
        self.assertEqual((event["after"]["number"], event["after"]["total"]), ("A1", "1.50"))

    def test_update_compares_what_the_database_had(self):
        order = self.order(total="1.50", stock=5)
        order.state, order.total, order.stock = "paid", "1.5", "5"  # as forms give them
        order.save()
        [event] = self.crud()
        changed = {name for name in event["after"] if event["after"][name] != event["before"][name]}
        self.assertEqual(changed, {"state"})

    def test_update_fields_are_honoured(self):
        order = self.order()
        order.state, order.note = "paid", "never saved"
        order.save(update_fields=["state"])
        [event] = self.crud()
        self.assertEqual((event["before"], event["after"]), ({"state": "new"}, {"state": "paid"}))

    def test_an_expression_is_named(self):
        order = self.order()
        order.stock = F("stock") + 1
        order.save(update_fields=["stock"])
        self.assertIn(self.crud()[0]["after"]["stock"], ("F(stock) + Value(1)", 1))  # Django 6 reads it back

    def test_an_update_costs_one_query_more(self):
        order = self.order()
        with queries() as with_events:
            order.save()
        with mock.patch.object(activitylog, "label", lambda model: ""), queries() as without:
            order.save()
        self.assertEqual(len(with_events), len(without) + 1)

    def test_deferred_fields_stay_deferred(self):
        self.order(note="long")
        order = Order.objects.only("state").get()
        order.state = "paid"
        with queries() as sent:
            order.save()
        self.assertEqual(len(sent), 2, sent)
        self.assertEqual(self.crud()[0]["after"], {"state": "paid"})
        self.assertEqual(order.get_deferred_fields() & {"note"}, {"note"})

    def test_a_text_that_needs_a_query_is_not_asked_for(self):
        customer = Customer.everyone.create(name="Ada")
        order = self.order(customer=customer)
        with queries() as sent:
            order.save(update_fields=["state"])
        self.assertEqual(len(sent), 2)
        self.assertNotIn("object_repr", self.crud()[0])
        self.assertEqual(order.customer, customer)
        order.save(update_fields=["state"])
        self.assertEqual(self.crud()[1]["object_repr"], "A1 of Ada")

    def test_a_model_without_objects(self):
        customer = Customer.everyone.create(name="Ada")
        customer.name = "Eva"
        customer.save()
        customer.delete()
        self.assertEqual([e["event_type"] for e in self.crud("shop.customer")], ["create", "update", "delete"])

    def test_a_key_made_by_python_asks_for_nothing(self):
        with queries() as sent:
            Ticket.objects.create(title="new")
        self.assertEqual(len(sent), 1)
        self.assertEqual(self.crud("shop.ticket")[0]["event_type"], "create")

    def test_secrets_are_masked_at_the_source(self):
        customer = Customer.everyone.create(name="Ada", api_key="key-one", iban="DE02")
        customer.api_key = "key-two"
        customer.save()
        text = json.dumps(self.events)
        self.assertFalse([s for s in ("key-one", "key-two", "DE02") if s in text])
        update = self.crud("shop.customer")[1]
        self.assertNotEqual(update["before"]["api_key"], update["after"]["api_key"], "that it changed is told")
        self.assertEqual(update["before"]["iban"], update["after"]["iban"])

    def test_bytes_are_told_by_their_digest(self):
        order = self.order(blob=b"one")
        order.blob = b"two"
        order.save()
        [event] = self.crud()
        self.assertRegex(event["before"]["blob"], "^3 bytes, SHA-256 7692c3ad")
        self.assertNotEqual(event["before"]["blob"], event["after"]["blob"])

    def test_what_is_too_deep_or_too_large_is_left_out_and_named(self):
        deep = []
        for _ in range(70):
            deep = [deep]
        for data in (deep, ["x" * (1 << 20)]):
            self.events.clear()
            Order.objects.create(number=str(len(json.dumps(data))), data=data)
            [event] = self.crud()
            self.assertEqual(event["extra_data"], {"_left_out": ["after"]})
            self.assertEqual(event["event_type"], "create")

    def test_many_to_many_says_what_really_changed(self):
        order, red, blue = self.order(), Tag.objects.create(name="red"), Tag.objects.create(name="blue")
        self.events.clear()
        order.tags.add(red, blue)
        order.tags.add(red)  # is there
        order.tags.remove(red, Tag.objects.create(name="never there"))
        red.orders.add(order)
        red.orders.remove(order)
        red.orders.set([order])
        red.orders.clear()
        order.tags.clear()
        order.tags.clear()  # nothing left
        told = [(e["event_type"], e["changed_fields"]) for e in self.events if "changed_fields" in e]
        r, b, o = red.pk, blue.pk, order.pk
        self.assertEqual(told, [
            ("m2m_add", {"tags": [[], [r, b]]}), ("m2m_remove", {"tags": [[r], []]}),
            ("reverse_m2m_add", {"orders": [[], [o]]}), ("reverse_m2m_remove", {"orders": [[o], []]}),
            ("reverse_m2m_add", {"orders": [[], [o]]}), ("reverse_m2m_clear", {"orders": [[o], []]}),
            ("m2m_clear", {"tags": [[b], []]}),
        ])


class Transactions(Recorded):
    def test_a_rollback_leaves_nothing(self):
        with self.assertRaises(ValueError), transaction.atomic():
            order = Order.objects.create(number="A1")
            order.tags.add(Tag.objects.create(name="red"))
            order.delete()
            raise ValueError
        self.assertEqual(self.events, [])

    def test_a_savepoint_that_is_rolled_back_leaves_nothing(self):
        with transaction.atomic():
            Order.objects.create(number="outer")
            with self.assertRaises(ValueError), transaction.atomic():
                Order.objects.create(number="inner")
                raise ValueError
            self.assertEqual(self.events, [], "nothing before the commit")
        self.assertEqual([e["after"]["number"] for e in self.crud()], ["outer"])

    def test_a_save_that_fails_leaves_nothing(self):
        self.order()
        other = self.order(number="A2")
        other.number = "A1"
        with self.assertRaises(IntegrityError):
            other.save()
        self.assertEqual(self.events, [])

    def test_a_delete_keeps_its_key(self):
        order = self.order()
        key = order.pk
        with transaction.atomic():
            order.delete()
            self.assertIsNone(order.pk)
        [event] = self.crud()
        self.assertEqual((event["event_type"], event["object_id"], event["before"]["number"]), ("delete", str(key), "A1"))

    def test_a_queryset_delete_tells_each_object(self):
        Order.objects.bulk_create([Order(number=str(n)) for n in range(3)])
        Order.objects.all().delete()
        self.assertEqual([e["event_type"] for e in self.crud()], ["delete"] * 3)


class Requests(Recorded):
    def test_no_header_makes_an_error(self):
        odd = {"HTTP_AUTHORIZATION": "Bearer \x00\ud800 x", "HTTP_X_FORWARDED_FOR": "1," * 4000, "CONTENT_LENGTH": "many",
               "HTTP_SEC_CH_UA": "\xff", "HTTP_HOST": "shop.example", "HTTP_COOKIE": "sessionid=\x00", "QUERY_STRING": "a=%ff&&=&password=hunter2"}
        request = RequestFactory().get("/", **odd)
        del request.META["REMOTE_ADDR"]
        activitylog.middleware(lambda r: HttpResponse(headers={"Content-Length": "odd"}))(request).close()
        event = self.events[-1]
        self.assertEqual(event["kind"], "request")
        self.assertNotIn("peer_address", event)
        self.assertNotIn("request_body_size", event)
        self.assertNotIn("cookie", event["headers"])
        self.assertEqual(event["headers"]["host"], "shop.example")  # the collector tells another origin by it
        self.assertEqual(event["query_string"], "a=%ff&&=&password=***")

    def test_an_error_of_ours_is_not_the_projects(self):
        with mock.patch.object(activitylog.sender, "put", side_effect=RuntimeError), self.assertLogs("activitylog", "ERROR"):
            self.assertEqual(Client().get("/create/?number=1").status_code, 200)
        self.assertEqual(Order.objects.count(), 1)

    def test_nobody_asked_for_the_user(self):
        user = get_user_model().objects.create_user("ada", password="x")
        client = Client()
        client.force_login(user)
        self.events.clear()
        client.get("/whoami/")
        self.assertEqual((self.events[-1]["user_id"], self.events[-1]["auth_method"]), (str(user.pk), "session"))
        with queries() as sent:
            Client().get("/whoami/")
        self.assertEqual(len(sent), 0, "without a session cookie nothing is asked")
        self.assertEqual(self.events[-1]["actor_type"], "anonymous")

    def test_who_deletes_himself_is_named(self):
        user = get_user_model().objects.create_user("ada", password="x")
        key, client = str(user.pk), Client()
        client.force_login(user)
        self.events.clear()
        client.get("/leave/")
        delete = self.crud("auth.user")[-1]
        self.assertEqual((delete["event_type"], delete["object_id"], delete["user_id"]), ("delete", key, key))
        self.assertEqual(self.events[-1]["user_id"], key)

    def test_a_request_that_logs_out_still_has_its_user(self):
        user = get_user_model().objects.create_user("ada", password="x")
        client = Client()
        client.force_login(user)
        self.events.clear()
        client.get("/logout/")
        logout = [e for e in self.events if e["kind"] == "login"][0]
        self.assertEqual((logout["login_type"], logout["user_id"]), ("logout", str(user.pk)))
        self.assertEqual(self.events[-1]["user_id"], str(user.pk))

    def test_both_kinds_of_server_count_a_stream(self):
        expected = sum(len(f"row {n}\n") for n in range(1000))

        async def asynchronous():
            response = await AsyncClient().get("/stream-async/")
            async for _ in response.streaming_content:
                pass
            await asyncio.to_thread(response.close)

        response = Client().get("/stream/")
        self.assertEqual(self.events, [], "not before its end")
        b"".join(response.streaming_content)
        response.close()
        asyncio.run(asynchronous())
        self.assertEqual([e["response_body_size"] for e in self.events], [expected] * 2)

    def test_jobs_name_their_actor(self):
        with activitylog.Acting(user_id="job-7", actor_type="service"):
            Order.objects.create(number="A1")
        Order.objects.create(number="A2")
        self.assertEqual([e.get("user_id") for e in self.crud()], ["job-7", None])

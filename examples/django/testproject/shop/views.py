import os
import signal

import activitylog
from django.contrib import auth
from django.db import IntegrityError, transaction
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from .models import Customer, Order, Tag


def order_json(order):
    return JsonResponse({"id": order.pk})


def create(request):
    return order_json(Order.objects.create(number=request.GET["number"], note=request.GET.get("note", "")))


def change(request, pk):
    order = Order.objects.get(pk=pk)
    order.state = request.GET["state"]
    order.save()
    return order_json(order)


def change_some(request, pk):
    order = Order.objects.get(pk=pk)
    order.state, order.note = "paid", "never saved"
    order.save(update_fields=["state"])
    return order_json(order)


def delete(request, pk):
    with transaction.atomic():
        Order.objects.get(pk=pk).delete()
    return HttpResponse(status=204)


def rollback(request):
    with transaction.atomic():
        Order.objects.create(number=request.GET["number"])
        raise RuntimeError("after the order")


def savepoint(request):
    with transaction.atomic():
        Order.objects.create(number="outer-" + request.GET["number"])
        try:
            with transaction.atomic():
                Order.objects.create(number="inner-" + request.GET["number"])
                raise ValueError
        except ValueError:
            pass
    return HttpResponse()


def failed_save(request, pk):
    """In autocommit: the number is another order's."""
    order = Order.objects.get(pk=pk)
    order.number = request.GET["number"]
    try:
        order.save()
    except IntegrityError:
        return HttpResponse(status=409)
    return HttpResponse()


def tags(request, pk):
    order = Order.objects.get(pk=pk)
    red, blue = Tag.objects.create(name="red"), Tag.objects.create(name="blue")
    order.tags.add(red, blue)
    order.tags.remove(red)
    red.orders.add(order)
    order.tags.clear()
    return JsonResponse({"red": red.pk, "blue": blue.pk})


def bulk(request):
    with transaction.atomic():
        orders = Order.objects.bulk_create([Order(number=f"bulk-{n}") for n in range(2)])
        activitylog.record_bulk("create", Order, orders)
        chosen = Order.objects.filter(number__startswith="bulk-")
        keys = list(chosen.values_list("pk", flat=True))
        chosen.update(state="void")
        activitylog.record_bulk("update", Order, keys, changes={"state": ["new", "void"]})
    return JsonResponse({"keys": keys})


def secrets(request):
    customer = Customer.everyone.create(name="Ada", api_key="key-one-9271", iban="DE02120300000000202051")
    customer.api_key, customer.name = "key-two-9271", "Ada L."
    customer.save()
    return JsonResponse({"id": customer.pk})


def stream(request):
    return StreamingHttpResponse(f"row {n}\n" for n in range(1000))


async def stream_async(request):
    async def rows():
        for n in range(1000):
            yield f"row {n}\n"
    return StreamingHttpResponse(rows())


async def create_async(request):
    order = await Order.objects.acreate(number=request.GET["number"])
    return order_json(order)


def download(request):
    return FileResponse(open(__file__, "rb"))


def boom(request):
    raise LookupError("nobody handles this")


def kill(request):
    """The process dies as by kill -9, in the middle of the request."""
    Order.objects.create(number=request.GET["number"])
    os.kill(os.getpid(), signal.SIGKILL)


def login(request):
    user = auth.authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return HttpResponse(status=403)
    auth.login(request, user)
    return HttpResponse()


def logout(request):
    auth.logout(request)
    return HttpResponse()


def whoami(request):
    """Does not ask for the user."""
    return JsonResponse({"pid": os.getpid()})


def leave(request):
    request.user.delete()
    return HttpResponse(status=204)


@api_view(["GET"])
@permission_classes([IsAuthenticated])
def api(request):
    order = Order.objects.create(number=request.GET["number"], owner=request.user)
    return Response({"id": order.pk})

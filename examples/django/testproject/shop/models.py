import uuid

from django.conf import settings
from django.db import models


class Tag(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Customer(models.Model):
    """Its only manager is not called objects."""

    name = models.CharField(max_length=100)
    api_key = models.CharField(max_length=100, blank=True)
    iban = models.CharField(max_length=40, blank=True)

    everyone = models.Manager()


class Order(models.Model):
    customer = models.ForeignKey(Customer, null=True, on_delete=models.CASCADE)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    number = models.CharField(max_length=20, unique=True)
    state = models.CharField(max_length=20, default="new")
    total = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    stock = models.IntegerField(default=0)
    note = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)
    blob = models.BinaryField(blank=True, default=b"")
    tags = models.ManyToManyField(Tag, related_name="orders")

    def __str__(self):
        return f"{self.number} of {self.customer.name}"  # asks the database, unless the customer is loaded


class Ticket(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=50)

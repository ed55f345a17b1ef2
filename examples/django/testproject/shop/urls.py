from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView

from . import views

urlpatterns = [
    path("create/", views.create),
    path("create-async/", views.create_async),
    path("orders/<int:pk>/change/", views.change),
    path("orders/<int:pk>/change-some/", views.change_some),
    path("orders/<int:pk>/delete/", views.delete),
    path("orders/<int:pk>/failed-save/", views.failed_save),
    path("orders/<int:pk>/tags/", views.tags),
    path("rollback/", views.rollback),
    path("savepoint/", views.savepoint),
    path("bulk/", views.bulk),
    path("secrets/", views.secrets),
    path("stream/", views.stream),
    path("stream-async/", views.stream_async),
    path("download/", views.download),
    path("boom/", views.boom),
    path("kill/", views.kill),
    path("login/", views.login),
    path("logout/", views.logout),
    path("whoami/", views.whoami),
    path("leave/", views.leave),
    path("api/", views.api),
    path("token/", TokenObtainPairView.as_view()),
]

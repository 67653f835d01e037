"""The backend that writes mails as files."""

from __future__ import annotations

import email
import email.policy
import threading

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection


@pytest.fixture
def folder(settings, tmp_path):
    settings.EMAIL_BACKEND = "incidents.channels.mailfiles.EmailBackend"
    settings.MAIL_DIR = tmp_path / "data" / "mail"
    return settings.MAIL_DIR


def make_mail(subject="Düsseldorf is down", *, key="k-1", to=("ana@acme.example",)):
    headers = {"X-Tocsin-Delivery": key} if key else {}
    mail = EmailMultiAlternatives(
        subject, "text ü\n.\n" + "x" * 2000, "a@b.example", list(to), headers=headers
    )
    mail.attach_alternative("<p>html ü</p>", "text/html")
    return mail


def read(path):
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def test_one_complete_message_per_file(folder):
    assert get_connection(timeout=10).send_messages([make_mail(), make_mail("second")]) == 2
    first, second = sorted(folder.iterdir())
    assert first.name.endswith("Z-k-1.eml")
    mail = read(first)
    assert mail["Subject"] == "Düsseldorf is down"
    assert mail["To"] == "ana@acme.example"
    assert mail.get_body(("plain",)).get_content().startswith("text ü\n.\n")
    assert mail.get_body(("html",)).get_content() == "<p>html ü</p>"
    assert mail.defects == []
    assert read(second)["Subject"] == "second"


@pytest.mark.parametrize("key", [None, "", "../../etc/x", "a/b", "k" * 65, "a\x00b"])
def test_a_key_that_is_no_file_name_is_replaced(folder, key):
    mail = make_mail(key=None)
    if key is not None:
        mail.extra_headers["X-Tocsin-Delivery"] = key
    assert mail.send() == 1
    (path,) = folder.iterdir()
    assert path.parent == folder
    assert len(path.stem) == len("20261122T140341.123456Z-") + 36


def test_nobody_to_send_to_is_no_file(folder):
    assert get_connection().send_messages([make_mail(to=())]) == 0
    assert not folder.exists()


def test_a_reader_never_sees_half_a_message(folder):
    """A reader that looks all the time finds only whole messages under *.eml."""
    done, seen, broken = threading.Event(), set(), []

    def look():
        while not done.is_set():
            for path in folder.glob("*.eml"):
                if path not in seen:
                    seen.add(path)
                    if not path.read_bytes().rstrip().endswith(b"--"):
                        broken.append(path)

    reader = threading.Thread(target=look)
    reader.start()
    get_connection().send_messages([make_mail(key=f"k{n}") for n in range(60)])
    done.set()
    reader.join(5)
    assert broken == []
    assert len(list(folder.iterdir())) == 60


def test_a_folder_that_cannot_be_written_is_an_error(folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    with pytest.raises(OSError):
        make_mail().send()
    assert make_mail().send(fail_silently=True) == 0

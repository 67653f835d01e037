"""Every word in a template can be translated."""

from __future__ import annotations

import pytest

from tests.ground.untranslated import TEMPLATES, find_below, find_in

FOLDERS = sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_word_of_a_folder_can_be_translated(folder):
    assert [str(each) for each in find_below(TEMPLATES / folder)] == []


def test_the_frame_and_the_error_pages_can_be_translated():
    files = [path for path in sorted(TEMPLATES.iterdir()) if path.is_file()]
    assert len(files) > 10
    assert [str(each) for file in files for each in find_below(file)] == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Nothing here</p>",
        "<p>\n  {{ n }} monitors\n</p>",
        '<a title="Open it">×</a>',
        '<input placeholder="{% if x %}Name{% endif %}">',
        '<a aria-label="Copy: {{ caption }}">{% translate "Copy" %}</a>',
        '<td data-label="State"></td>',
        '<input type="submit" value="Save">',
        '{% include "a.html" with caption="Push URL" %}',
        "{% with title='Your plan' %}{% endwith %}",
        "<p>{{ at|default:'never' }}</p>",
        "<p>{{ n }}{{ n|pluralize }}</p>",
        "{% if a %}<b>{% translate 'Yes' %}</b>{% else %}No{% endif %}",
        "<svg><title>Down since</title></svg>",
        "{# why #}word",
        "Tocsin says",
    ],
)
def test_words_that_nobody_could_translate_are_found(source):
    assert len(find_in(source, "a.html")) == 1


@pytest.mark.parametrize(
    "source",
    [
        '{% translate "Nothing here" %}',
        "<p>{% blocktranslate trimmed %}\n Nothing <b>here</b>\n{% endblocktranslate %}</p>",
        "{% blocktranslate count n=n %}{{ n }} day{% plural %}{{ n }} days{% endblocktranslate %}",
        "<a title=\"{% translate 'Open it' %}\">×</a>",
        '{% include "a.html" with caption=_("Push URL") id="push-url" %}',
        "<div class=\"alert-{{ tags|default:'info' }}\">{{ message }}</div>",
        "<code>curl -fsS</code> <kbd>Ctrl</kbd> <pre>text\nmore</pre>",
        "<title>{{ team.name }} · Tocsin</title>",
        "<svg><path d='M8 2.25a5.75 5.75 0 0 1 0 11.5z'/></svg>",
        "{% comment %}words{% endcomment %}{# words #}",
        "<input type='search' name='q' value='words'>",
        "<p>{{ a }} × {{ b }} · 100 %</p>",
    ],
)
def test_what_is_translated_or_no_language_is_left_alone(source):
    assert find_in(source, "a.html") == []


def test_a_finding_names_file_line_and_text():
    source = (
        '{% load i18n %}\n<p>{% translate "a b" %}\n  Some words\n</p>\n<b title="of ours"></b>'
    )
    assert [str(each) for each in find_in(source, "x/a.html")] == [
        "x/a.html:3: Some words",
        'x/a.html:5: title="of ours"',
    ]
    mail = "{% load wording %}Dear {{ name }},\n\n{% translate 'Bye' %}\nhttps://a.example/words\n"
    assert [str(each) for each in find_in(mail, "mail/a.txt")] == ["mail/a.txt:1: Dear ,"]

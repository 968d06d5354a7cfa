/* The known input of each model, op by op. */
#include <stdio.h>

{% for model in models %}
#include "{{ model.name }}_api.h"
{% endfor %}

int main(void)
{
    int failures = 0;
    int op;
{% for model in models %}
    static {{ model.name }}_state {{ model.name }}_memory;
{% endfor %}
{% for model in models %}
    {{ model.name }}_setup(&{{ model.name }}_memory);
    op = {{ model.name }}_check(&{{ model.name }}_memory);
    printf("{{ model.name }}: %s %d\n", op > 0 ? "FAIL at op" : op < 0 ? "no known input" : "PASS", op);
    failures += op > 0;
{% endfor %}
    return failures != 0;
}

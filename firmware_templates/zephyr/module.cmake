# The Zephyr module: {{ models | map(attribute="name") | join(", ") }} as a library.
if(CONFIG_EDGEQ_{{ name | upper }})
    zephyr_library_named({{ name }})
    zephyr_library_sources(
{% for source in sources %}
        {{ source }}
{% endfor %}
    )
    zephyr_include_directories(src{% for folder in include_folders %} {{ folder }}{% endfor %})
    zephyr_library_compile_options({{ optimization }})
endif()

/* A plugin of QEMU's user mode that counts every instruction of a program and writes the number to
 * stderr when it ends. What it needs of the interface (version 1) is declared here: Debian's QEMU
 * has the interface and no header for it.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct qemu_plugin_tb;
typedef uint64_t qemu_plugin_id_t;
typedef void (*on_block)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*on_exit)(qemu_plugin_id_t id, void *data);
enum { ADD_U64 = 0 };

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, on_block callback);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation,
                                                     void *counter, uint64_t value);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, on_exit callback, void *data);

extern const int qemu_plugin_version;
const int qemu_plugin_version = 1;
static uint64_t instructions;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &instructions,
                                             qemu_plugin_tb_n_insns(block));
}

static void ended(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    (void)fprintf(stderr, "instructions %" PRIu64 "\n", instructions);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **values);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **values)
{
    (void)info;
    (void)count;
    (void)values;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
